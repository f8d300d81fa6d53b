"""The database `processing` of the tool that counted works before, as it stood on servers: two ages of its tables.

The younger one has a procedure that adds one observation, a table of histories and an event that fills it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

TIMES = (
    "create_time timestamp null default current_timestamp,"
    " update_time timestamp null default current_timestamp on update current_timestamp"
)
LATIN = "engine=InnoDB default charset=latin1"

NAMES = [
    f"create table process_hosts ({TIMES}, idprocess_host int not null auto_increment primary key,"
    f" process_host varchar(255) default null, key (process_host)) {LATIN}",
    f"create table process_projects ({TIMES}, idprocess_project int not null auto_increment primary key,"
    f" process_project varchar(255) not null, key (process_project)) {LATIN}",
    "create table process_states (idprocess_state int not null auto_increment primary key,"
    " state_name varchar(45) not null unique, state_desc varchar(255) character set utf8 not null unique)"
    f" {LATIN}",
    "create table publish_states (idpublish_state int not null auto_increment primary key,"
    f" state_name varchar(45) not null unique, state_desc varchar(255) not null unique) {LATIN}",
    "insert into process_states (state_name, state_desc) values ('cataloged', 'Cataloged'), ('scanned', 'Was scanned'),"
    " ('readytoprocess', 'Ready')",
    "insert into publish_states (state_name, state_desc) values ('fullBDRC', 'All images'), ('webBDRC', 'Web only')",
]
WORKS = (
    "create table process_works (idprocess_work int not null auto_increment primary key,"
    " process_work varchar(255) character set utf8 not null unique{times}) engine=InnoDB default charset=latin1"
)
KEYS = {"project": "process_projects", "host": "process_hosts", "work": "process_works", "state": "process_states"}
STATES = (
    f"create table process_work_states ({TIMES}, process_project_id int not null, process_host_id int not null,"
    " process_work_id int not null, process_state_id int not null, {dates}, obs_count int default 1,"
    " process_create_date datetime not null, image_count int default 0{keys}) engine=InnoDB default charset=latin1"
)
PRIMARY = ", primary key (process_work_id, process_state_id)" + "".join(
    f", constraint old_fk_{name} foreign key (process_{name}_id) references {table} (idprocess_{name})"
    for name, table in KEYS.items()
)
LATER = [
    "create table publish_work_states (create_time timestamp null, update_time timestamp null, publish_work_id int,"
    f" publish_state_id int, obs_date datetime, publish_create_date datetime, image_count int) {LATIN}",
    "create table process_count_history (last_obs_date datetime, process_state_id int, process_project_id int,"
    f" image_count int, created_time timestamp null, updated_time timestamp null) {LATIN}",
    "create table publish_count_history (last_obs_date datetime, publish_state_id int, work_count int,"
    f" image_count int) {LATIN}",
    "create view process_view as select process_work, image_count from process_work_states"
    " join process_works on idprocess_work = process_work_id",
    "create event fill_history on schedule every 1 day do insert into process_count_history"
    " select last_obs_date, process_state_id, process_project_id, sum(image_count), now(), now()"
    " from process_work_states group by 1, 2, 3",
]
PROCEDURE = """
create procedure AddWorkProcessState(given_day varchar(50), given_host varchar(255), given_dir varchar(255),
    given_work varchar(255), given_made varchar(50), given_state varchar(255), given_images int)
begin
    declare at_day, made datetime;
    declare host, project, work, state int;
    set at_day = coalesce(str_to_date(given_day, '%m-%d-%Y'), str_to_date(given_day, '%Y-%m-%d'));
    set made = coalesce(str_to_date(given_made, '%m-%d-%Y'), str_to_date(given_made, '%Y-%m-%d'));
    if not exists (select 1 from process_hosts where process_host = given_host) then
        insert into process_hosts (process_host) values (given_host);
    end if;
    if not exists (select 1 from process_projects where process_project = given_dir) then
        insert into process_projects (process_project) values (given_dir);
    end if;
    if not exists (select 1 from process_works where process_work = given_work) then
        insert into process_works (process_work) values (given_work);
    end if;
    set host = (select idprocess_host from process_hosts where process_host = given_host);
    set project = (select idprocess_project from process_projects where process_project = given_dir);
    set work = (select idprocess_work from process_works where process_work = given_work);
    set state = (select idprocess_state from process_states where upper(state_name) = upper(given_state));
    if exists (select 1 from process_work_states where process_work_id = work and process_state_id = state) then
        update process_work_states set image_count = given_images, last_obs_date = at_day
            where process_work_id = work and process_state_id = state;
    else
        insert into process_work_states (process_host_id, process_project_id, process_state_id, process_work_id,
            process_create_date, image_count, first_obs_date, last_obs_date)
            values (host, project, state, work, made, given_images, at_day, at_day);
    end if;
end
"""
MODE = "set sql_mode = 'NO_ENGINE_SUBSTITUTION'"


def make(connection: sa.Connection, has_keys: bool = True) -> None:
    """Make the younger tables. has_keys: False for a copy that lost its primary and foreign keys."""
    dates = "first_obs_date datetime not null, last_obs_date datetime not null"
    times = ", create_time datetime default current_timestamp, update_time datetime default current_timestamp"
    run(connection, [MODE, *NAMES, WORKS.format(times=times),
                     STATES.format(dates=dates, keys=PRIMARY if has_keys else ""), *LATER, PROCEDURE])  # fmt: skip


def make_oldest(connection: sa.Connection) -> None:
    """Make the older tables, which have one date of observation."""
    statements = [WORKS.format(times=""), STATES.format(dates="obs_date datetime not null", keys=PRIMARY)]
    run(connection, [MODE, *NAMES, *statements])


def run(connection: sa.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement.replace("%", "%%"))


def call(connection: sa.Connection, *arguments: Any) -> None:
    """Add an observation with the procedure: date, host, directory, work, date of creation, state, images."""
    connection.exec_driver_sql("call AddWorkProcessState(%s, %s, %s, %s, %s, %s, %s)", arguments)

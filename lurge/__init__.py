"""lurge: storage intelligence for HPC.

source     finds and reads dumps, scans trees, generates synthetic worlds
parallel   cuts dumps into blocks and distributes them to processes
kernels    compiled code for the loops over bytes and records
aggregate  turns blocks into reports that can be merged
enrich     adds names of groups and users, quotas and forecasts
store      stores reports in the database
export     writes reports to files
tickets    records the progress and outcome of jobs
pipeline   the recipes: one short file a job
cli        the commands
config     the configuration: lurge.toml
model      the types that all of these share
"""

__version__ = "0.3.0"

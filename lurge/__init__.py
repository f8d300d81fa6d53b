"""lurge: storage intelligence for HPC.

source     finds dumps, reads them, scans trees, makes worlds up
stream     cuts dumps into blocks and carries them between processes
aggregate  turns blocks into reports that can be merged
enrich     names groups and users, asks for quotas, looks ahead
store      keeps reports in the database
export     writes them as files
tickets    say what ran, and how it went
pipeline   the recipes: one short file a job
cli        the commands
model      the nouns that all of these share
"""

__version__ = "0.3.0"

"""Export of reports and lines to files and S3."""

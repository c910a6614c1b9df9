"""What both halves use: records, errors, files on disk, worker processes, the command line's ends."""

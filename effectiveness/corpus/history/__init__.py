"""A repository at a date, and what was committed after it: the second, time-ordered held-out set.

clean_room  objects of a repository, read without letting anything in it run
trees       a commit's files -> a directory that can be scanned
past        --until DATE -> the last commit at or before that moment; it and HEAD, written
changes     each file of HEAD -> the file of the earlier state it comes from, and which of its lines are new
fresh       which tokens are new
later       rows of what is new
"""

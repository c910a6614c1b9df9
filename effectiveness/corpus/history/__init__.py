"""A repository at a date, and what was committed after it: the second, time-ordered held-out set.

dates       --until DATE -> a moment
clean_room  objects of a repository, read without letting anything in it run
commits     HEAD, and the last commit at or before the moment
trees       a commit's files -> a directory that can be scanned
past        the above, put together
pairing     each file of HEAD -> the file of the earlier state it comes from
lines       which lines of a text are new
fresh       which tokens are new
later       rows of what is new
"""

# On the second line it does nothing.
# coding: us-ascii
x = 1

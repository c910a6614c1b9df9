total = 1 + \
    2  # behind a continued line
other = 3 \
# a comment that ends a continued line keeps the next statement apart
last = (4,  # one
        # between elements
        5)  # two
text = """
# not a comment
""" # a comment
fstring = f"{total!r:>{last[0]}}"  # format
if total: # one-line body
    other = 1; last = 2  # two statements

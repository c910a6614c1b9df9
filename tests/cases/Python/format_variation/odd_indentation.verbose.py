def odd(a):
   if a:
         deep = 1

         return deep
   else:
     return f(
             a,
             b = 1,
             c = 2,
             d = lambda x, y = 3: (x, y),
             e = "a string, with = and , in it"
     )

# The levels above are 3, 9 and 5 columns: none may change.
y = f(
    1,
    2
)

x = [
    # a comment in a list
    1,
]

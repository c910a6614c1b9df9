int before(int a)
{
    return a;
}

FOREACH(item, list) {
    call(first,
#ifdef A
        second
#endif
    );
    "a" "b"[0;
}

int after(int a)
{
    int b = a;

    return b;
}

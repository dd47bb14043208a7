def report(r):
    return str(len(r))


def figure(r, p):
    pass

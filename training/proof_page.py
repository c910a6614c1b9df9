from training.report import STYLE


def write_page(path, card):
    pass

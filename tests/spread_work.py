"""Work for other processes, which find it by the name of its module."""

import os

from recsys.errors import InputError


def square(number: int) -> int:
    """The square; an error of a negative number; and the process ends amid 13."""
    if number < 0:
        raise InputError("no square of it", found=str(number))
    if number == 13:
        os._exit(1)
    return number * number

"""Writes documents one by one, as a worker in a process of its own: URL of the store, first number, how many."""

import sys

from store_contract import post

from qalqan.store import open_store


def write(url: str, first: int, count: int) -> None:
    with open_store(url) as store:
        for number in range(first, first + count):
            store.put_documents([post(number, "писатель")])
            print("written", flush=True)


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""From a beginning through everything that may happen: breadth first, so the way to what must not be is a shortest one.

Used by the explorers beside this file.
"""

from collections import deque


def walk(begin, steps, is_wrong, most):
    """How many states there are, and the way to one that must not be; None when there is none.

    ``steps`` gives the names and states that may follow a state.
    """
    seen = {begin: None}
    todo = deque([begin])
    while todo:
        state = todo.popleft()
        for name, after in steps(state):
            if after not in seen:
                seen[after] = (state, name)
                if is_wrong(after):
                    return len(seen), _way(seen, after)
                todo.append(after)
        assert len(seen) < most
    return len(seen), None


def _way(seen, state):
    steps = []
    while seen[state] is not None:
        state, name = seen[state]
        steps.append(name)
    return steps[::-1]

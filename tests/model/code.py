"""Parts of twgw as they are, or with a rule taken away: the same text, with some words replaced.

Used by the explorer beside this file and by the simulation in ``tests/cluster/``.
"""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

PARTS = ("clocks", "lease", "grants", "completion")
FOLDER = Path(__file__).parent.parent.parent / "twgw"

MUTANTS = {
    # of the gateway
    "a lease counts from its answer":
        ("lease", "asked.later(given.seconds)", "Moment.now(self._clocks).later(given.seconds)"),
    "a lease counts before the log is in force": ("lease", "if need > self.applied:", "if False:"),
    # of the key manager that grants
    "a lease demands nothing": ("grants", "seconds, self.known)", "seconds, Head(0, 0))"),
    "a lease outlasts the session": ("grants", "min(self._terms.lease, self.left())", "self._terms.lease"),
    "leases are given without a session":
        ("grants", "if seconds <= 0:", "seconds = self._terms.lease\n        if False:"),
    "a session counts from the answer":
        ("grants", "= began.later(", "= Moment.now(self._clocks).later("),
    "a renewal does not say how far the log is": ("grants", "self.learn(head)\n", "pass\n"),
    "what a holder was given before is forgotten":
        ("grants", "self.leases[need] = ends", "self.leases.clear()\n        self.leases[need] = ends"),
    "of a holder's leases the last alone counts": ("grants", "*(min(hold.leases)", "*(max(hold.leases)"),
    "leases that demand the same are over with the first":
        ("grants", "ends.latest(self.leases.get(need, ends))", "self.leases.get(need, ends)"),
    "what a lease demands counts as in force":
        ("grants", "need = max(need, self.acked)", "need = self.acked = max(need, self.acked)"),
    "nobody waits for holders": ("grants", "*(min(hold.leases) for hold in holds)", ""),
    "a key manager is done with more than it knows": ("grants", "[self.known, *(", "[Head(9, 9), *("),
    "a hold ends too early": ("grants", "self._terms.wait(seconds))", "self._terms.wait(seconds) - 1)"),
    "whoever asks has everything in force":
        ("grants", "hold.said(asked.applied)", "hold.said(self.known)"),
    # of whoever waits
    "the log need not have been seen": ("completion", "[self.view.head, *(", "[Head(9, 9), *("),
    "nobody waits for sessions": ("completion", "for each in self.there)])", "for each in ())])"),
    "silence goes on through a renewal":
        ("completion", "if each.id in same else now", "if each.id in since else now"),
    "the wait is shorter than a session": ("completion", "since.later(self._term)", "since.later(self._term - 1)"),
}  # fmt: skip
"""Each rule, what says it, and what stands there without it."""

OF_EPOCHS = {
    # of the transactions
    "a loss is not noticed":
        ("storage/cluster", "if head >= known and not _is_another(connection, sought, found):", "if True:"),
    "a loss behind which as much was appended is not noticed":
        ("storage/cluster", " and not _is_another(connection, sought, found):", ":"),
    "nothing is looked for": ("storage/cluster", "remembered.times if remembered is not None else {}", "{}"),
    "what was lost is written anew in the same epoch":
        ("storage/cluster", "Head(known.epoch + 1, max(head.pos, known.pos) + APART)", "Head(head.epoch, head.pos)"),
    "nobody hears that sessions were lost":
        ("storage/cluster", 'connection.execute(insert(table).values(session=f"lost', 'str(dict(session=f"lost'),
    "those that were lost are done":
        ("storage/cluster", '"done_epoch": 0, "done_pos": 0', '"done_epoch": 9, "done_pos": 0'),
    "beats are counted once more":
        ("storage/cluster", "values(beats=table.c.beats + APART)", "values(beats=table.c.beats)"),
    # of the gateway, and of who grants
    "a lease that demands another epoch counts":
        ("lease", "if need > self.applied:", "if need.epoch == self.applied.epoch and need > self.applied:"),
    "what is known of an old epoch is kept":
        ("grants", "self.learn(head)\n", "self.learn(head if head.epoch == 1 else self.known)\n"),
}  # fmt: skip
"""The same, of what happens when the database was brought back from a backup."""


def load(name=None, parts=PARTS, mutants=MUTANTS):
    """The parts as they are, or without one rule, in one place or several; each after those that it imports.

    A part is named by its path in ``twgw/``, with a slash in it; one in ``twgw/cluster/`` by its name alone.
    """
    changes = mutants.get(name, ())
    changes = [changes] if changes and isinstance(changes[0], str) else changes
    paths = {each: each.removeprefix("/") if "/" in each else f"cluster/{each}" for each in parts}
    names = {each: f"twgw.{path}".replace("/", ".") for each, path in paths.items()}
    kept = {key: sys.modules.pop(key) for key in names.values() if key in sys.modules}
    made = {}
    try:
        for each in parts:
            source = (FOLDER / f"{paths[each]}.py").read_text()
            for part, before, after in changes:
                if each == part:
                    assert 1 == source.count(before), name
                    source = source.replace(before, after)
            module = sys.modules[names[each]] = ModuleType(names[each])
            exec(compile(source, f"{each}.py", "exec"), module.__dict__)  # noqa: S102 - it is our own text
            made[each.rpartition("/")[2]] = module
    finally:
        for each in names.values():
            sys.modules.pop(each, None)
        sys.modules.update(kept)
    return SimpleNamespace(**made)

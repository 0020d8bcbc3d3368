# SPDX-License-Identifier: Apache-2.0
"""Tests that speak TAP: @test registers a function, main() runs all, or those that argv names.

A test is a function without arguments.  It passes if it returns, is left out if it calls skip(),
fails if it raises.  What it prints and its traceback come out as diagnostics.  Functions given to
after() run once all tests are done, the last first; those given to defer() when the test ends.
"""

import io
import os
import signal
import sys
import time
import traceback

_tests = []
_after = []
_deferred = []


class Skip(Exception):
    pass


def skip(why):
    raise Skip(why)


def test(function):
    _tests.append((function.__name__, function))
    return function


def cases(**named):
    """@cases(a=(1, 2), b=(3, 4)) makes one test of each: function_a(1, 2), function_b(3, 4)."""

    def register(function):
        for name, args in named.items():
            if not isinstance(args, tuple):
                args = (args,)
            _tests.append((f"{function.__name__}_{name}", lambda a=args: function(*a)))
        return function

    return register


def after(function):
    _after.append(function)


def defer(function, *args):
    _deferred.append(lambda: function(*args))


def equal(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what + ': ' if what else ''}got {_short(got)}, want {_short(want)}")


def ok(value, what):
    if not value:
        raise AssertionError(what)


def until(what, seconds=30):
    """Waits for it to come about; generous, since a machine may be busy."""
    end = time.monotonic() + seconds
    while not what():
        ok(time.monotonic() < end, f"it did not come about in {seconds} s")
        time.sleep(0.02)


def _short(value):
    text = repr(value)
    return text if len(text) < 2000 else text[:2000] + f"... ({len(text)} characters)"


def note(text):
    for line in str(text).splitlines() or [""]:
        print("# " + line, flush=True)


def _run_deferred(functions, trouble):
    while functions:
        try:
            functions.pop()()
        except Exception:  # one that fails must not keep the others from running
            trouble.append(traceback.format_exc())


def _run(number, name, function):
    began = time.monotonic()
    out, why, trouble = io.StringIO(), None, []
    stdout, sys.stdout = sys.stdout, out
    try:
        function()
    except Skip as e:
        why = str(e)
    except BaseException as e:
        if isinstance(e, (KeyboardInterrupt, SystemExit)):
            sys.stdout = stdout
            raise
        trouble.append(traceback.format_exc())
    finally:
        _run_deferred(_deferred, trouble)
        sys.stdout = stdout
    took = time.monotonic() - began
    if trouble:
        for text in trouble + [out.getvalue()]:
            if text:
                note(text)
        print(f"not ok {number} - {name}", flush=True)
    elif why is not None:
        print(f"ok {number} - {name} # SKIP {why}", flush=True)
    else:
        if out.getvalue():
            note(out.getvalue())
        print(f"ok {number} - {name}", flush=True)
        if took > 5:
            note(f"took {took:.1f} s")
    return not trouble


def _terminated(_signal, _frame):
    sys.exit(143)  # so that servers are ended


def main():
    signal.signal(signal.SIGTERM, _terminated)
    names = sys.argv[1:]
    chosen = [(n, f) for n, f in _tests if not names or n in names]
    unknown = set(names) - {n for n, _ in _tests}
    if unknown:
        sys.exit(f"{os.path.basename(sys.argv[0])}: no test {', '.join(sorted(unknown))}")
    print(f"1..{len(chosen)}", flush=True)
    failed, trouble = 0, []
    try:
        for i, (name, function) in enumerate(chosen, 1):
            failed += not _run(i, name, function)
    finally:
        _run_deferred(_after, trouble)
    for text in trouble:
        note(text)
    sys.exit(1 if failed or trouble else 0)

"""The course: exercises that check themselves.

A student receives a skeleton, writes a routine of the lecture, and ``simplenn exercise check``
says whether it is right, or where it first goes wrong: input, expected, got, in the lecture's
indices.

To add an exercise NAME, write

1. ``skeletons/NAME.py``: what the student receives.  Its module docstring is the statement: the
   equation, the conventions it needs, and a small worked example as a doctest.  The functions
   asked for have a docstring and ``raise NotImplementedError("NAME has no code so far")``.
   Routines of earlier exercises that it may call are declared the same way, with
   ``raise NotImplementedError("copy your ... here to run this file by itself")``, and listed in
   ``uses``: in a check the student's own routine stands in, or the model solution.
2. ``solutions/NAME.py``: a model solution that imports only what the exercise allows, as a good
   student would write it.
3. ``course/NAME.py``: the ``EXERCISE``, an :class:`.form.Exercise`.  ``reference`` is the package's
   own routine, imported inside the function; ``cases(rng)`` yields small cases first, each showing
   ONE thing that may go wrong, then awkward and random ones; ``where`` names an entry in the
   lecture's indices; each ``wrong`` is an edit of the model solution that makes a typical mistake,
   with the hint that names it; ``adjoint``, ``speed``, ``form``, ``judge`` where they apply.
   :mod:`.sizes` has layers, arrays and names of entries.
4. ``drivers/NAME.py``, only if arrays, numbers and text cannot call the student's routine (it takes
   a function, or is a class): ``call(student, function, *args)``, run in the student's process.
5. The name in ``EXERCISES`` of ``course/__init__.py``, after those that it uses.

``tests/exercises`` then proves for it: the statement's example holds; the solution passes with all
points (half of those for speed suffice) under the imports that it allows; the skeleton is "not
written yet"; every typical mistake is caught, and named as the only one; cases are small first.

How a check runs: :mod:`.check` starts :mod:`.runner` by :mod:`.child`, in a process that cannot
import the package, sends the file's bytes, then the cases one by one, and compares
(:mod:`.compare`) with the reference, which stays in the parent.  :mod:`.suspects` names a mistake,
:mod:`.overlap` finds threads that disturb each other (``drivers/prange.py`` watches them),
:mod:`.race` measures, :mod:`.report` holds what was found, :mod:`.show` writes it,
:mod:`.progress` keeps it, :mod:`.handed_in` finds a folder's files, :mod:`.bundle` makes the kit
and the grader.  It is no sandbox: a student's code has the rights of the user who
runs the check.
"""

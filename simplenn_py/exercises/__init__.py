"""The course: exercises that check themselves.

A student receives a skeleton and writes a routine of the lecture.  ``simplenn exercise check`` then
reports whether the routine is correct.  If it is not, the report shows the first failure: the
input, the expected result, the student's result, and the first entry that differs, in the lecture's
indices.

To add an exercise NAME, write

1. ``skeletons/NAME.py``: what the student receives.  Its module docstring is the statement: the
   equation, the conventions that it needs, and a small worked example as a doctest.  Each function
   to be written has a docstring and ``raise NotImplementedError("NAME has no code yet")``.
   Routines of earlier exercises that it may call are declared the same way, with
   ``raise NotImplementedError("copy your ... here to run this file by itself")``, and listed in
   ``uses``.  A check uses the student's own routine for them, or the model solution.
2. ``solutions/NAME.py``: a model solution that imports only the modules that the exercise allows,
   written as a good student would write it.
3. ``course/NAME.py``: the ``EXERCISE``, an :class:`.exercise.Exercise`.  ``reference`` is the
   package's own routine, imported inside the function.  ``cases(rng)`` yields small cases first,
   each of which shows ONE possible mistake, then awkward and random ones.  ``where`` names an entry
   in the lecture's indices.  Each entry of ``mistakes`` edits the model solution so that it makes a
   typical mistake, and has the explanation to print.  The cases must tell the mistakes apart: no
   two of them give the same results in all cases.  ``adjoint``, ``speed``, ``source_check`` and
   ``judge`` are optional.  :mod:`.sizes` has layers, arrays and names of entries.
4. ``drivers/NAME.py``, only if arrays, numbers and text are not enough to call the student's
   routine (it takes a function, or it is a class): ``call(student, function, *args)``, which runs
   in the student's process.
5. The name in ``EXERCISES`` of ``course/__init__.py``, after the exercises that it uses.

``tests/exercises`` then tests the new exercise: the example in the statement is correct; the
solution gets all points (half of the points for speed suffice) with only the allowed imports; the
skeleton is reported as "not written yet"; the cases tell all typical mistakes apart; every one is
found, and no other mistake is named; small cases come first.

How a check runs: :mod:`.check` starts :mod:`.worker` through :mod:`.worker_client`, in a process
that cannot import the package.  It sends the bytes of the file, then the cases one by one, and
compares each answer (:mod:`.differences`) with the reference, which stays in the parent process.
:mod:`.known_mistakes` finds the typical mistake, :mod:`.overlap` finds threads that write to the
same entry (``drivers/prange.py`` watches them), :mod:`.speed` measures the running time,
:mod:`.waiting` says what a long check does, :mod:`.report` holds the results and :mod:`.show`
prints them, :mod:`.gradebook` stores them, :mod:`.submissions` finds the files in a folder,
:mod:`.near` those with almost the right name, and :mod:`.bundle` writes the kit for students and
the grader.  A check is not a sandbox: the student's code has the rights of the user who runs it.
"""

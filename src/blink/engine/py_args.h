/* Arguments of Python methods, and results that are 0 or -errno. */
#ifndef BLINK_PY_ARGS_H
#define BLINK_PY_ARGS_H
#include <Python.h>

#include "types.h"

enum { MAX_ARGS = 6 };

/* What a method takes: names in order, of which the first `required` must be given. */
typedef struct {
  const char *method;
  int required;
  const char *names[MAX_ARGS + 1];
} Signature;

/* Sorts positional and keyword arguments into out[]; absent ones are NULL.  Borrowed references. */
bool py_take_args(const Signature *sig, PyObject *const *args, Py_ssize_t n, PyObject *keywords,
                  PyObject **out);
/* The same for a whole argument list of unsigned integers; absent ones keep their default. */
bool py_take_ints(const Signature *sig, PyObject *const *args, Py_ssize_t n, PyObject *keywords,
                  u64 *values);
bool py_to_u64(PyObject *object, u64 *value);
/* An absent one is false. */
bool py_to_flag(PyObject *object, bool *flag);
/* None, or OSError where the result is -errno. */
PyObject *py_none_or_errno(int result);

#endif

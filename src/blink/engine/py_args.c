/* Arguments of methods that take positional and keyword ones. */
#include "py_args.h"

#include <errno.h>

static int find_name(const Signature *sig, PyObject *name) {
  for (int i = 0; sig->names[i] != NULL; i++)
    if (PyUnicode_CompareWithASCIIString(name, sig->names[i]) == 0) return i;
  PyErr_Format(PyExc_TypeError, "%s() has no argument %R", sig->method, name);
  return -1;
}

bool py_take_args(const Signature *sig, PyObject *const *args, Py_ssize_t n, PyObject *keywords,
                  PyObject **out) {
  int count = 0;
  while (sig->names[count] != NULL) out[count++] = NULL;
  if (n > count) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments", sig->method, count);
    return false;
  }
  for (Py_ssize_t i = 0; i < n; i++) out[i] = args[i];
  Py_ssize_t more = keywords != NULL ? PyTuple_Size(keywords) : 0;
  for (Py_ssize_t i = 0; i < more; i++) {
    int slot = find_name(sig, PyTuple_GetItem(keywords, i));
    if (slot < 0) return false;
    out[slot] = args[n + i];
  }
  for (int i = 0; i < sig->required; i++) {
    if (out[i] != NULL) continue;
    PyErr_Format(PyExc_TypeError, "%s() needs the argument '%s'", sig->method, sig->names[i]);
    return false;
  }
  return true;
}

bool py_to_u64(PyObject *object, u64 *value) {
  *value = PyLong_AsUnsignedLongLong(object);
  return *value != ~(u64)0 || PyErr_Occurred() == NULL;
}

bool py_take_ints(const Signature *sig, PyObject *const *args, Py_ssize_t n, PyObject *keywords,
                  u64 *values) {
  PyObject *out[MAX_ARGS];
  if (!py_take_args(sig, args, n, keywords, out)) return false;
  for (int i = 0; sig->names[i] != NULL; i++)
    if (out[i] != NULL && !py_to_u64(out[i], &values[i])) return false;
  return true;
}

bool py_to_flag(PyObject *object, bool *flag) {
  int truth = object != NULL ? PyObject_IsTrue(object) : 0;
  *flag = truth > 0;
  return truth >= 0;
}

PyObject *py_none_or_errno(int result) {
  if (result == 0) Py_RETURN_NONE;
  errno = -result;
  return PyErr_SetFromErrno(PyExc_OSError);
}

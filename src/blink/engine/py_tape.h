/* The Python object of a Tape. */
#ifndef BLINK_PY_TAPE_H
#define BLINK_PY_TAPE_H
#include "py_module.h"
#include "tape.h"

typedef struct {
  PyObject ob_base;
  Tape tape;
} TapeObject;

/* NULL with TypeError set when it is something else. */
Tape *py_tape_get(PyObject *object);

#endif

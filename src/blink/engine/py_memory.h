/* The Python type `Memory` and the exception `MemoryFault`, for the other py_*.c. */
#ifndef BLINK_PY_MEMORY_H
#define BLINK_PY_MEMORY_H
#include <Python.h>

#include "memory.h"

int py_memory_init(PyObject *module);

/* The Memory behind a Python object, or NULL with TypeError. */
Memory *py_memory_get(PyObject *object);
/* Raises MemoryFault(address, write); returns NULL. */
PyObject *py_memory_fault(u64 address, bool write);

#endif

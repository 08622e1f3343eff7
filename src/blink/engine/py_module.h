/* The Python binding: each py_*.c adds its part to the module `blink._engine` (stable ABI, 3.11). */
#ifndef BLINK_PY_MODULE_H
#define BLINK_PY_MODULE_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "cpu.h"

int py_memory_init(PyObject *module);
int py_cpu_init(PyObject *module);
int py_host_init(PyObject *module);
int py_decode_init(PyObject *module);
int py_sweep_init(PyObject *module);
int py_tape_init(PyObject *module);
int py_digest_init(PyObject *module);

/* The Memory behind a Python object; NULL with TypeError set when it is something else. */
Memory *py_memory_get(PyObject *object);

/* Cpu.blocks(): a list of (guest address, host address of the indirect entry, of the entry, host code,
 * [(guest offset, host offset)]). */
PyObject *py_jit_blocks(const Cpu *c);
/* Cpu.translated(start, end): a list of (guest address, length). */
PyObject *py_jit_translated(const Cpu *c, u64 start, u64 end);
/* Cpu.break_copy(name), for tests of the doctor. */
void py_jit_break(Cpu *c, const char *name);
/* Cpu.difference(): what the doctor found, or None. */
PyObject *py_doctor_finding(const Cpu *c);

#endif

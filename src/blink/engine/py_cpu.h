/* The Python object of a Cpu, and the methods that read and write its state (py_registers.c). */
#ifndef BLINK_PY_CPU_H
#define BLINK_PY_CPU_H
#include "py_module.h"

typedef struct {
  PyObject ob_base;
  Cpu *cpu;
  PyObject *memory; /* keeps the Memory alive */
  PyObject *tape;   /* and this the Tape, or NULL */
} CpuObject;

PyObject *py_cpu_get(PyObject *self, PyObject *arg);
PyObject *py_cpu_set(PyObject *self, PyObject *args);
PyObject *py_cpu_set_mode(PyObject *self, PyObject *arg);
PyObject *py_cpu_segment(PyObject *self, PyObject *arg);
PyObject *py_cpu_set_segment(PyObject *self, PyObject *args);
PyObject *py_cpu_state(PyObject *self, PyObject *unused);
PyObject *py_cpu_load(PyObject *self, PyObject *arg);
PyObject *py_cpu_fxsave(PyObject *self, PyObject *unused);
PyObject *py_cpu_fxrstor(PyObject *self, PyObject *arg);
PyObject *py_cpu_xsave(PyObject *self, PyObject *unused);
PyObject *py_cpu_xrstor(PyObject *self, PyObject *args);
PyObject *py_cpu_init_fpu(PyObject *self, PyObject *arg);
PyObject *py_cpu_cpuid(PyObject *self, PyObject *args);

#endif

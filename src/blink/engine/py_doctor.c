/* What the doctor found, as Python objects: Cpu.difference(). */
#include "py_module.h"

#include "doctor.h"

static PyObject *registers(const DoctorState *s) {
  PyObject *out = PyTuple_New(16);
  for (Py_ssize_t i = 0; out && i < 16; i++) {
    PyObject *value = PyLong_FromUnsignedLongLong(s->gpr[i]);
    if (!value || PyTuple_SetItem(out, i, value)) Py_CLEAR(out);
  }
  return out;
}

static PyObject *state(const DoctorState *s) {
  PyObject *gpr = registers(s);
  if (!gpr) return NULL;
  return Py_BuildValue("{sNsKsKsIsIsy#sIsIsK}", "gpr", gpr, "rip", s->rip, "icount", s->icount,
                       "eflags", s->eflags, "mxcsr", s->mxcsr, "vectors", (const char *)s->vec,
                       (Py_ssize_t)sizeof s->vec, "stop", s->stop, "vector", s->vector, "address",
                       s->addr);
}

static PyObject *accesses(const DoctorFinding *f) {
  PyObject *out = PyList_New(0);
  for (u32 i = 0; out && i < f->note_count; i++) {
    const DoctorNote *n = &f->notes[i];
    Py_ssize_t size = n->size;
    PyObject *row = Py_BuildValue("KNy#y#y#", n->addr, PyBool_FromLong(n->write), n->before, size,
                                  n->wanted, size, n->got, size);
    if (!row || PyList_Append(out, row)) Py_CLEAR(out);
    Py_XDECREF(row);
  }
  return out;
}

PyObject *py_doctor_finding(const Cpu *c) {
  const DoctorFinding *f = doctor_finding(c);
  if (!f) Py_RETURN_NONE;
  PyObject *before = state(&f->before), *wanted = state(&f->wanted), *got = state(&f->got);
  PyObject *list = accesses(f);
  if (before && wanted && got && list)
    return Py_BuildValue("{sIsIsNsNsNsN}", "count", f->insns, "undefined", f->undefined, "before",
                         before, "interpreted", wanted, "translated", got, "accesses", list);
  Py_XDECREF(before);
  Py_XDECREF(wanted);
  Py_XDECREF(got);
  Py_XDECREF(list);
  return NULL;
}

/* An extension module with nothing but the decoder, so that its tests need no engine. */
#include "py_module.h"

PyMODINIT_FUNC PyInit__decoder(void) {
  static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_decoder",
                                          .m_size = -1};
  PyObject *module = PyModule_Create(&definition);
  if (module && py_decode_init(module)) Py_CLEAR(module);
  return module;
}

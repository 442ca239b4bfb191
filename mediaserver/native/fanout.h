/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_FANOUT_H
#define VIDEOHOME_FANOUT_H
#include <Python.h>

PyObject *bind_fanout(PyObject *self, PyObject *args);
PyObject *fan_out(PyObject *self, PyObject *const *args, Py_ssize_t count);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_INTAKE_H
#define VIDEOHOME_INTAKE_H
#include <Python.h>

PyObject *bind_intake(PyObject *self, PyObject *args);
PyObject *read_received(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *store_received(PyObject *self, PyObject *const *args, Py_ssize_t count);
#endif

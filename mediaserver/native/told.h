/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_TOLD_H
#define VIDEOHOME_TOLD_H
#include <Python.h>
#include <stdint.h>

PyObject *bind_told(PyObject *self, PyObject *args);
PyObject *take_told(PyObject *self, PyObject *const *args, Py_ssize_t count);
int told_by(PyObject *lane, const uint8_t *bytes, Py_ssize_t size, double now, PyObject *told);
#endif

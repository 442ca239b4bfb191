/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_STRAIGHT_H
#define VIDEOHOME_STRAIGHT_H
#include <Python.h>

PyObject *bind_straight(PyObject *self, PyObject *args);
PyObject *pack_cluster(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *take_straight(PyObject *self, PyObject *const *args, Py_ssize_t count);
#endif

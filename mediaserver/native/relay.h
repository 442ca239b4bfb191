/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_RELAY_H
#define VIDEOHOME_RELAY_H
#include <Python.h>
#include <stdint.h>

PyObject *bind_relay(PyObject *self, PyObject *args);
PyObject *forward_received(PyObject *self, PyObject *const *args, Py_ssize_t count);
int relay_forward(PyObject *lane, const uint8_t *bytes, long size, PyObject *now_object, double now, PyObject *out);
PyObject *relay_receivers(PyObject *lane);
PyObject *relay_flush(PyObject *lane);
#endif

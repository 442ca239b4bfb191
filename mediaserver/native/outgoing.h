/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_OUTGOING_H
#define VIDEOHOME_OUTGOING_H
#include <Python.h>

extern unsigned long outgoing_decisions; /* how often Python was asked */

PyObject *bind_outgoing(PyObject *self, PyObject *args);
PyObject *outgoing(PyObject *self, PyObject *const *args, Py_ssize_t count);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_ALLOWANCE_H
#define VIDEOHOME_ALLOWANCE_H
#include <Python.h>

extern PyTypeObject AllowanceType;

PyObject *bind_allowance(PyObject *self, PyObject *burst_s);
#endif

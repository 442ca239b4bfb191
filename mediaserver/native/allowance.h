/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_ALLOWANCE_H
#define VIDEOHOME_ALLOWANCE_H
#include <Python.h>

extern PyTypeObject AllowanceType;

int allowance_would_take(PyObject *bucket, long size, double now);
void allowance_pay(PyObject *bucket, long size, double now);

PyObject *bind_allowance(PyObject *self, PyObject *burst_s);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIDEOHOME_ARRIVALS_H
#define VIDEOHOME_ARRIVALS_H
#include <Python.h>

extern PyTypeObject ArrivalsType;

int arrivals_note(PyObject *arrivals, long number, double now);
#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields of Python objects, read and written where `__slots__` put them.
 */
#ifndef VIDEOHOME_SLOTS_H
#define VIDEOHOME_SLOTS_H
#include <Python.h>

Py_ssize_t slot_offset(PyObject *type, const char *name);
#endif

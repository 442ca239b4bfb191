/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields of Python objects, read and written where `__slots__` put them.
 */
#ifndef VIDEOHOME_SLOTS_H
#define VIDEOHOME_SLOTS_H
#include <Python.h>

/* Asks for memory that will be looked at soon: `bytes` from an object's beginning. Never fails, whatever the address. */
static inline void ahead(const void *object, long bytes) {
    for (long at = 0; at < bytes; at += 64) __builtin_prefetch((const char *)object + at);
}

Py_ssize_t slot_offset(PyObject *type, const char *name);
#endif

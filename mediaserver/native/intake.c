/* SPDX-License-Identifier: Apache-2.0
 *
 * `mediaserver/sfu/intake.py` in C: a received packet read, and stored as all receivers share it. Every offset comes from
 * the packet itself and is held against its size; what another caller read before is not believed.
 */
#define PY_SSIZE_T_CLEAN
#include "intake.h"
#include "slots.h"
#include "wire.h"
#include <stdint.h>
#include <string.h>

enum { HEADER = 12, BLOCK_HEAD = 4, ELEMENTS = 1024, FIELDS = 10, NEVER = 99 };
enum Reader { BY_PYTHON, NOT_AT_ALL, VP8 };

enum Slot {
    S_ARRIVAL, S_EXTENDED, S_FRAME_AT, S_FRAME_END, S_FRAME_NUMBER, S_KEY_INDEX, S_KEY_INDEX_AT, S_KEYFRAME, S_MARKER,
    S_PACKET, S_PAYLOAD_AT, S_PICTURE, S_PICTURE_AT, S_PICTURE_BITS, S_PLAIN, S_SPATIAL, S_START, S_SYNC, S_TEMPORAL,
    S_TIMESTAMP, S_TL0, S_TL0_AT,
    SLOTS,
};

static const char *const names[SLOTS] = {
    "arrival", "extended", "frame_at", "frame_end", "frame_number", "key_index", "key_index_at", "keyframe", "marker",
    "packet", "payload_at", "picture", "picture_at", "picture_bits", "plain", "spatial", "start", "sync", "temporal",
    "timestamp", "tl0", "tl0_at",
};

static Py_ssize_t offsets[SLOTS];
static PyTypeObject *header_type, *stored_type;
static int twcc_id, send_time_id, descriptor_of_ours;

/* bind_intake(Header, Stored, (ids of our transport-wide number, send time and descriptor)): TypeError when they do not
 * look as they did. */
PyObject *bind_intake(PyObject *self, PyObject *args) {
    PyObject *header, *stored;
    Py_ssize_t fresh[SLOTS];
    int ids[3];
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!(iii)", &PyType_Type, &header, &PyType_Type, &stored, &ids[0], &ids[1], &ids[2]))
        return NULL;
    PyTypeObject *tuple = (PyTypeObject *)header, *plain = (PyTypeObject *)stored;
    if (!PyType_IsSubtype(tuple, &PyTuple_Type) || tuple->tp_basicsize != PyTuple_Type.tp_basicsize ||
        plain->tp_basicsize != (Py_ssize_t)(sizeof(PyObject) + SLOTS * sizeof(PyObject *)))
        return PyErr_SetString(PyExc_TypeError, "Header is a named tuple, Stored has these slots and no more"), NULL;
    for (int i = 0; i < 3; i++)
        if (ids[i] < 1 || ids[i] > 14) return PyErr_SetString(PyExc_ValueError, "ids are 1 to 14"), NULL;
    for (int i = 0; i < SLOTS; i++)
        if ((fresh[i] = slot_offset(stored, names[i])) < 0) return NULL;
    memcpy(offsets, fresh, sizeof offsets);
    Py_XSETREF(header_type, (PyTypeObject *)Py_NewRef(header));
    Py_XSETREF(stored_type, (PyTypeObject *)Py_NewRef(stored));
    twcc_id = ids[0], send_time_id = ids[1], descriptor_of_ours = ids[2];
    Py_RETURN_NONE;
}

/* ---- reading ---- */

typedef struct {
    const uint8_t *bytes;
    long size, payload, end, profile, extension, extension_end;
    int marker, payload_type;
    unsigned number;
    unsigned long timestamp, ssrc;
} Head;

static int bytes_of(PyObject *packet, Head *h) {
    Py_ssize_t size;
    if (PyBytes_Check(packet)) h->bytes = (const uint8_t *)PyBytes_AS_STRING(packet), size = PyBytes_GET_SIZE(packet);
    else if (PyByteArray_Check(packet))
        h->bytes = (const uint8_t *)PyByteArray_AS_STRING(packet), size = PyByteArray_GET_SIZE(packet);
    else return PyErr_SetString(PyExc_TypeError, "a packet is bytes or bytearray"), 0;
    if (size > 65535) return PyErr_SetString(PyExc_ValueError, "no packet is so large"), 0;
    h->size = (long)size;
    return 1;
}

/* As packet.read_header: 0 when the bytes are no whole RTP version 2 packet. */
static int read_head(Head *h) {
    const uint8_t *b = h->bytes;
    if (h->size < HEADER || b[0] >> 6 != 2) return 0;
    h->profile = h->extension = h->extension_end = 0;
    h->payload = HEADER + (b[0] & 15) * 4, h->end = h->size;
    if (b[0] & 0x10) {
        if (h->payload + BLOCK_HEAD > h->size) return 0;
        h->profile = (long)get16(b + h->payload);
        h->extension = h->payload + BLOCK_HEAD;
        h->payload = h->extension_end = h->extension + (long)get16(b + h->payload + 2) * 4;
    }
    if (b[0] & 0x20) {
        if (b[h->size - 1] == 0) return 0;
        h->end = h->size - b[h->size - 1];
    }
    h->marker = b[1] > 127, h->payload_type = b[1] & 127;
    h->number = get16(b + 2), h->timestamp = get32(b + 4), h->ssrc = get32(b + 8);
    return h->payload <= h->end;
}

/* The next extension element from *at on, as packet.extensions; 0 at the end of the block. */
static int next_element(const Head *h, long *at, int *id, long *offset, long *length) {
    long head = h->profile == 0xbede ? 1 : (h->profile & 0xfff0) == 0x1000 ? 2 : 0, end = h->extension_end;
    if (!head) return 0;
    while (*at < end && h->bytes[*at] == 0) ++*at;
    if (*at + head > end) return 0;
    *id = head == 1 ? h->bytes[*at] >> 4 : h->bytes[*at];
    *length = head == 1 ? (h->bytes[*at] & 15) + 1 : h->bytes[*at + 1];
    *offset = *at + head;
    if ((head == 1 && *id == 15) || *offset + *length > end) return 0;
    *at = *offset + *length;
    return 1;
}

static PyObject *header_of(const Head *h) {
    PyObject *made = header_type->tp_alloc(header_type, FIELDS);
    if (!made) return NULL;
    PyObject *fields[FIELDS] = {
        PyBool_FromLong(h->marker), PyLong_FromLong(h->payload_type), PyLong_FromUnsignedLong(h->number),
        PyLong_FromUnsignedLong(h->timestamp), PyLong_FromUnsignedLong(h->ssrc), PyLong_FromLong(h->payload),
        PyLong_FromLong(h->end), PyLong_FromLong(h->profile), PyLong_FromLong(h->extension), PyLong_FromLong(h->extension_end),
    };
    int good = 1;
    for (int i = 0; i < FIELDS; i++) {
        PyTuple_SET_ITEM(made, i, fields[i]);
        good = good && fields[i];
    }
    if (!good) Py_CLEAR(made);
    return made;
}

static long number_of(const Head *h, long wanted) {
    long at = h->extension, offset, length;
    int id;
    while (wanted && next_element(h, &at, &id, &offset, &length))
        if (id == wanted && length >= 2) return (long)get16(h->bytes + offset);
    return -1;
}

/* For relay.c: 0 when the bytes are no packet. */
int intake_brief(const uint8_t *bytes, long size, long number_id, Brief *brief) {
    Head h = {.bytes = bytes, .size = size};
    if (size > 65535 || !stored_type || !read_head(&h)) return 0;
    *brief = (Brief){h.number, h.timestamp, h.ssrc, h.payload_type, number_of(&h, number_id)};
    return 1;
}

/* read_received(packet, id): (Header, transport-wide number or -1), None when it is no packet. */
PyObject *read_received(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Head h;
    (void)self;
    if (count != 2 || !header_type) return PyErr_SetString(PyExc_TypeError, "read_received(packet, id), after bind_intake()"), NULL;
    long wanted = PyLong_AsLong(args[1]);
    if ((wanted == -1 && PyErr_Occurred()) || !bytes_of(args[0], &h)) return NULL;
    if (!read_head(&h)) Py_RETURN_NONE;
    PyObject *header = header_of(&h);
    return header ? Py_BuildValue("(Nl)", header, number_of(&h, wanted)) : NULL;
}

/* ---- storing ---- */

typedef struct {
    int start, keyframe, sync;
    long temporal, picture, picture_bits, tl0, tl0_at, key_index, key_index_at;
} Described;

/* As payload.read_vp8; 0 when the bytes end inside the descriptor, or nothing is behind it. */
static int read_vp8(const uint8_t *p, long size, Described *d) {
    Described f = {0};
    long at = 1;
    if (p[0] & 0x80) {
        if (size < 2) return 0;
        int flags = p[1];
        at = 2;
        if (flags & 0x80) {
            if (at >= size) return 0;
            f.picture = p[at] & 0x7f, f.picture_bits = 7;
            if (p[at] & 0x80) {
                if (at + 1 >= size) return 0;
                f.picture = f.picture << 8 | p[at + 1], f.picture_bits = 15;
                at++;
            }
            at++;
        }
        if (flags & 0x40) {
            if (at >= size) return 0;
            f.tl0 = p[at], f.tl0_at = at;
            at++;
        }
        if (flags & 0x30) {
            if (at >= size) return 0;
            if (flags & 0x20) f.temporal = p[at] >> 6, f.sync = p[at] >> 5 & 1;
            if (flags & 0x10) f.key_index = p[at] & 0x1f, f.key_index_at = at;
            at++;
        }
    }
    if (at >= size) return 0;
    f.start = (p[0] & 0x10) && !(p[0] & 0x0f);
    f.keyframe = f.start && !(p[at] & 1);
    *d = f;
    return 1;
}

typedef struct {
    int id;
    long offset, length;
} Element;

typedef struct {
    Element elements[ELEMENTS];
    int count, small, level;
    long body; /* bytes of the block without its head and padding */
    PyObject *descriptor; /* a new reference, or NULL */
} Extensions;

/* What goes on to receivers, and the level and descriptor among it. 0 with an exception. */
static int sort_extensions(const Head *h, PyObject *ids, long level_id, long descriptor_id, Extensions *x) {
    long at = h->extension, offset, length;
    int id;
    x->count = 0, x->small = 1, x->level = -1, x->body = 0, x->descriptor = NULL;
    while (next_element(h, &at, &id, &offset, &length)) {
        PyObject *key = PyLong_FromLong(id), *ours = key ? PyDict_GetItemWithError(ids, key) : NULL;
        Py_XDECREF(key);
        if (!ours && PyErr_Occurred()) return 0;
        if (ours && length) {
            long number = PyLong_AsLong(ours);
            if (number < 1 || number > 14 || x->count == ELEMENTS)
                return PyErr_Occurred() ? 0 : (PyErr_SetString(PyExc_ValueError, "ids are 1 to 14"), 0);
            x->elements[x->count++] = (Element){(int)number, offset, length};
            if (length > 16) x->small = 0;
            x->body += length;
        }
        if (id == level_id && length) {
            x->level = h->bytes[offset] & 0x7f;
        } else if (id == descriptor_id) {
            Py_XSETREF(x->descriptor, PyBytes_FromStringAndSize((const char *)h->bytes + offset, length));
            if (!x->descriptor) return 0;
        }
    }
    x->body += x->small ? 8 + x->count : 9 + 2L * x->count;
    return 1;
}

/* The block as stored.extension_block makes it, into zeroed bytes; where the descriptor lies in the packet, or 0. */
static long write_block(uint8_t *block, const Head *h, const Extensions *x, long words, double now, int numbered) {
    unsigned long send_time = (unsigned long)((int64_t)(now * 262144) & 0xffffff);
    long at = BLOCK_HEAD, descriptor_at = 0;
    put16(block, x->small ? 0xbede : 0x1000);
    put16(block + 2, (unsigned long)words);
    if (x->small) {
        block[at + 1] = (uint8_t)(twcc_id << 4 | 1), block[at + 4] = (uint8_t)(send_time_id << 4 | 2);
        at += 5;
    } else {
        block[at] = (uint8_t)twcc_id, block[at + 1] = 2, block[at + 4] = (uint8_t)send_time_id, block[at + 5] = 3;
        at += 6;
    }
    if (!numbered) memset(block + BLOCK_HEAD, 0, 4);
    block[at] = (uint8_t)(send_time >> 16), block[at + 1] = (uint8_t)(send_time >> 8), block[at + 2] = (uint8_t)send_time;
    at += 3;
    for (const Element *e = x->elements; e < x->elements + x->count; e++) {
        if (x->small) block[at++] = (uint8_t)(e->id << 4 | (e->length - 1));
        else block[at] = (uint8_t)e->id, block[at + 1] = (uint8_t)e->length, at += 2;
        if (e->id == descriptor_of_ours) descriptor_at = HEADER + at;
        memcpy(block + at, h->bytes + e->offset, (size_t)e->length);
        at += e->length;
    }
    return descriptor_at;
}

static void put(PyObject *stored, enum Slot slot, PyObject *value, int *good) {
    *(PyObject **)((char *)stored + offsets[slot]) = value;
    if (!value) *good = 0;
}

/* A Stored with all its fields; takes over the reference to `common`. */
static PyObject *stored_of(PyObject *common, const Head *h, const Described *d, PyObject *extended, PyObject *now, long payload_at,
                           long frame_at) {
    PyObject *s = stored_type->tp_alloc(stored_type, 0);
    int good = 1;
    if (!s) return Py_DECREF(common), NULL;
    put(s, S_PACKET, common, &good);
    put(s, S_ARRIVAL, Py_NewRef(now), &good);
    put(s, S_EXTENDED, Py_NewRef(extended), &good);
    put(s, S_PAYLOAD_AT, PyLong_FromLong(payload_at), &good);
    put(s, S_TIMESTAMP, PyLong_FromUnsignedLong(h->timestamp), &good);
    put(s, S_MARKER, PyBool_FromLong(h->marker), &good);
    put(s, S_FRAME_END, PyBool_FromLong(h->marker), &good);
    put(s, S_START, PyBool_FromLong(d->start), &good);
    put(s, S_KEYFRAME, PyBool_FromLong(d->keyframe), &good);
    put(s, S_SYNC, PyBool_FromLong(d->sync), &good);
    put(s, S_SPATIAL, PyLong_FromLong(0), &good);
    put(s, S_TEMPORAL, PyLong_FromLong(d->temporal), &good);
    put(s, S_PICTURE, PyLong_FromLong(d->picture), &good);
    put(s, S_PICTURE_BITS, PyLong_FromLong(d->picture_bits), &good);
    put(s, S_PICTURE_AT, PyLong_FromLong(d->picture_bits ? payload_at + 2 : 0), &good);
    put(s, S_TL0, PyLong_FromLong(d->tl0), &good);
    put(s, S_TL0_AT, PyLong_FromLong(d->tl0_at ? payload_at + d->tl0_at : 0), &good);
    put(s, S_KEY_INDEX, PyLong_FromLong(d->key_index), &good);
    put(s, S_KEY_INDEX_AT, PyLong_FromLong(d->key_index_at ? payload_at + d->key_index_at : 0), &good);
    put(s, S_FRAME_NUMBER, PyLong_FromLong(0), &good);
    put(s, S_FRAME_AT, PyLong_FromLong(frame_at), &good);
    put(s, S_PLAIN, Py_NewRef(Py_None), &good);
    if (!good) Py_CLEAR(s);
    return s;
}

/* The packet for all receivers, and what it is; *described is cleared where Python has to say that. */
static PyObject *store(const Head *h, const Extensions *x, PyObject *extended, PyObject *arrival, double now, int payload_type,
                       int numbered, enum Reader reader, int *described, long *temporal) {
    long words = (x->body + 3) / 4, payload_at = HEADER + BLOCK_HEAD + words * 4, size = h->end - h->payload;
    PyObject *common = PyByteArray_FromStringAndSize(NULL, payload_at + size);
    if (!common) return NULL;
    uint8_t *out = (uint8_t *)PyByteArray_AS_STRING(common);
    memset(out, 0, (size_t)payload_at);
    out[0] = 0x90, out[1] = (uint8_t)(payload_type | (h->marker ? 0x80 : 0));
    put16(out + 2, h->number), put32(out + 4, h->timestamp), put32(out + 8, h->ssrc);
    long descriptor_at = write_block(out + HEADER, h, x, words, now, numbered);
    memcpy(out + payload_at, h->bytes + h->payload, (size_t)size);
    Described d = {0};
    *described = 1;
    if (!size) d.temporal = NEVER;
    else if (reader == VP8 && read_vp8(h->bytes + h->payload, size, &d) && d.keyframe) *described = 0; /* its size is news */
    else if (reader == BY_PYTHON) *described = 0;
    if (!*described) memset(&d, 0, sizeof d);
    *temporal = d.temporal;
    int framed = descriptor_at && x->descriptor && PyBytes_GET_SIZE(x->descriptor) >= 3;
    return stored_of(common, h, &d, extended, arrival, payload_at, framed ? descriptor_at + 1 : 0);
}

/* store_received(packet, extended, now, payload type, numbered, reader, ids, level id, descriptor id): (Stored, audio level
 * or None, dependency descriptor or None, True when nothing more is to be read of it). ValueError for what is no packet. */
PyObject *store_received(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    static Extensions x; /* used by one thread, and not across a call into Python */
    Head h;
    (void)self;
    if (count != 9 || !stored_type || !PyLong_Check(args[1]) || !PyDict_CheckExact(args[6]))
        return PyErr_SetString(PyExc_TypeError, "store_received(packet, int, float, ...), after bind_intake()"), NULL;
    long payload_type = PyLong_AsLong(args[3]), reader = PyLong_AsLong(args[5]);
    long level_id = PyLong_AsLong(args[7]), descriptor_id = PyLong_AsLong(args[8]);
    double now = PyFloat_AsDouble(args[2]);
    if (PyErr_Occurred() || !bytes_of(args[0], &h)) return NULL;
    if (!read_head(&h) || payload_type < 0 || payload_type > 127 || !(now >= 0 && now < 1e12))
        return PyErr_SetString(PyExc_ValueError, "no packet, or of no time"), NULL;
    int good = sort_extensions(&h, args[6], level_id, descriptor_id, &x), described = 0;
    long temporal;
    PyObject *descriptor = x.descriptor;
    PyObject *stored = good ? store(&h, &x, args[1], args[2], now, (int)payload_type, args[4] == Py_True,
                                    (enum Reader)reader, &described, &temporal)
                            : NULL;
    PyObject *level = x.level < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(x.level);
    PyObject *found = stored && level ? PyTuple_Pack(4, stored, level, descriptor ? descriptor : Py_None,
                                                     described ? Py_True : Py_False)
                                      : NULL;
    Py_XDECREF(stored);
    Py_XDECREF(level);
    Py_XDECREF(descriptor);
    return found;
}

/* For relay.c, as store_received: a Stored, its audio level (unchanged without one) and temporal layer; *described is cleared
 * where Python has to say what it is. NULL with an exception. */
PyObject *intake_keep(const uint8_t *bytes, long size, PyObject *ids, long level_id, long descriptor_id, PyObject *extended,
                      PyObject *now_object, double now, int payload_type, int numbered, int reader, long *level,
                      long *temporal, int *described) {
    static Extensions x;
    Head h = {.bytes = bytes, .size = size};
    if (size > 65535 || !stored_type || !read_head(&h) || !(now >= 0 && now < 1e12))
        return PyErr_SetString(PyExc_ValueError, "no packet, or of no time"), NULL;
    int good = sort_extensions(&h, ids, level_id, descriptor_id, &x);
    PyObject *stored = good ? store(&h, &x, extended, now_object, now, payload_type, numbered, (enum Reader)reader, described,
                                    temporal)
                            : NULL;
    Py_CLEAR(x.descriptor);
    if (x.level >= 0) *level = x.level;
    return stored;
}

long stored_bytes(PyObject *stored) { return (long)PyByteArray_GET_SIZE(*(PyObject **)((char *)stored + offsets[S_PACKET])); }

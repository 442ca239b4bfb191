/* SPDX-License-Identifier: Apache-2.0
 *
 * SRTP of what we send, by AEAD_AES_128_GCM (RFC 7714): one keyed cipher context for each transport, of which only the
 * vector changes, and one index for each stream (RFC 3711 section 3.3.1). libsrtp keeps a context and a replay window for
 * each stream, and walks a list of them for each packet; a sender needs neither.
 *
 * No cipher lives here and nothing is linked: the functions are those of the libcrypto that Python itself uses, handed
 * over by address. The bytes are libsrtp's own to the last bit, also where it refuses a packet. A transport's RTP is sealed
 * here or by libsrtp for its whole life, never by both: two that count alone would use one keystream for two packets. Its
 * RTCP, which has a key and an index of its own, stays with libsrtp.
 */
#define PY_SSIZE_T_CLEAN
#include "sealer.h"
#include "slots.h"
#include "wire.h"
#include <stddef.h>
#include <string.h>

enum { KEY = 16, SALT = 12, VECTOR = 12, BLOCK = 16, RTP_HEAD = 12, MEDIAN = 1 << 15, OLDEST = 1024, STREAMS = 16 };
enum { GET_TAG = 0x10 }; /* EVP_CTRL_AEAD_GET_TAG */

typedef void *(*MakeContext)(void);
typedef void (*FreeContext)(void *context);
typedef const void *(*Cipher)(void);
typedef int (*Init)(void *context, const void *cipher, void *engine, const uint8_t *key, const uint8_t *vector);
typedef int (*Update)(void *context, uint8_t *out, int *count, const uint8_t *in, int size);
typedef int (*Final)(void *context, uint8_t *out, int *count);
typedef int (*Control)(void *context, int what, int number, void *with);

static MakeContext make_context;
static FreeContext free_context;
static Cipher gcm, counter;
static Init init;
static Update update;
static Final final;
static Control control;

/* use_cipher(EVP_CIPHER_CTX_new, EVP_CIPHER_CTX_free, EVP_aes_128_gcm, EVP_aes_128_ctr, EVP_EncryptInit_ex, EVP_EncryptUpdate,
 * EVP_EncryptFinal_ex, EVP_CIPHER_CTX_ctrl): addresses of libcrypto's functions. */
PyObject *use_cipher(PyObject *self, PyObject *args) {
    unsigned long long at[8];
    (void)self;
    if (!PyArg_ParseTuple(args, "KKKKKKKK", &at[0], &at[1], &at[2], &at[3], &at[4], &at[5], &at[6], &at[7])) return NULL;
    for (int i = 0; i < 8; i++)
        if (!at[i]) return PyErr_SetString(PyExc_ValueError, "a function is missing"), NULL;
    make_context = (MakeContext)(uintptr_t)at[0], free_context = (FreeContext)(uintptr_t)at[1];
    gcm = (Cipher)(uintptr_t)at[2], counter = (Cipher)(uintptr_t)at[3];
    init = (Init)(uintptr_t)at[4], update = (Update)(uintptr_t)at[5];
    final = (Final)(uintptr_t)at[6], control = (Control)(uintptr_t)at[7];
    Py_RETURN_NONE;
}

typedef struct {
    uint64_t index; /* of the newest packet: how often its number has wrapped, and the number */
    uint32_t ssrc, used;
} Stream;

typedef struct {
    PyObject_HEAD
    void *context, *session;
    uint8_t salt[SALT];
    Stream *streams; /* an open hash; its size is a power of two, at most half of it is used */
    size_t room, count;
} Sealer;

/* RFC 3711 section 4.3: `size` bytes, at most a block, of the key stream for a label. */
static int derive(const uint8_t *key, const uint8_t *salt, int label, uint8_t *out, int size) {
    uint8_t vector[BLOCK] = {0}, zeros[BLOCK] = {0};
    int count = 0;
    memcpy(vector, salt, SALT);
    vector[7] ^= (uint8_t)label;
    void *context = make_context();
    int good = context && init(context, counter(), NULL, key, vector) && update(context, out, &count, zeros, size);
    if (context) free_context(context);
    return good && count == size;
}

/* Sealer(key and salt, address of libsrtp's session for RTCP). ValueError when the key is of another size. */
static PyObject *sealer_new(PyTypeObject *type, PyObject *args, PyObject *names) {
    enum { KEY_LABEL = 0, SALT_LABEL = 2 };
    unsigned long long session;
    const uint8_t *keys;
    Py_ssize_t size;
    uint8_t key[KEY];
    (void)names;
    if (!PyArg_ParseTuple(args, "y#K", &keys, &size, &session)) return NULL;
    if (!make_context) return PyErr_SetString(PyExc_RuntimeError, "call use_cipher() first"), NULL;
    if (size != KEY + SALT) return PyErr_SetString(PyExc_ValueError, "key and salt are 28 bytes"), NULL;
    Sealer *s = (Sealer *)type->tp_alloc(type, 0);
    if (!s) return NULL;
    s->session = (void *)(uintptr_t)session;
    s->room = STREAMS;
    s->streams = PyMem_RawCalloc(s->room, sizeof *s->streams);
    s->context = make_context();
    int good = s->streams && s->context && derive(keys, keys + KEY, KEY_LABEL, key, KEY) &&
               derive(keys, keys + KEY, SALT_LABEL, s->salt, SALT) && init(s->context, gcm(), NULL, key, NULL);
    memset(key, 0, sizeof key);
    if (good) return (PyObject *)s;
    Py_DECREF(s);
    return PyErr_SetString(PyExc_RuntimeError, "libcrypto refused the key"), NULL;
}

static void sealer_free(PyObject *self) {
    Sealer *s = (Sealer *)self;
    if (s->context) free_context(s->context);
    PyMem_RawFree(s->streams);
    Py_TYPE(self)->tp_free(self);
}

static Stream *place_of(Stream *streams, size_t room, uint32_t ssrc) {
    size_t at = (ssrc * 2654435761u) & (room - 1);
    while (streams[at].used && streams[at].ssrc != ssrc) at = (at + 1) & (room - 1);
    return &streams[at];
}

/* The stream of an SSRC, made where there was none; NULL without memory. No lock of the interpreter is held. */
static Stream *stream_of(Sealer *s, uint32_t ssrc) {
    Stream *found = place_of(s->streams, s->room, ssrc);
    if (found->used) return found;
    if (s->count * 2 >= s->room) {
        Stream *wider = PyMem_RawCalloc(s->room * 2, sizeof *wider);
        if (!wider) return NULL;
        for (size_t i = 0; i < s->room; i++)
            if (s->streams[i].used) *place_of(wider, s->room * 2, s->streams[i].ssrc) = s->streams[i];
        PyMem_RawFree(s->streams);
        s->streams = wider, s->room *= 2;
        found = place_of(wider, s->room, ssrc);
    }
    s->count++;
    *found = (Stream){0, ssrc, 1};
    return found;
}

/* The index of a packet by its number: that which is nearest to the newest, and none before the first (RFC 3711 section
 * 3.3.1). -1 for one so old that libsrtp refuses it. */
static int64_t index_of(const Stream *stream, uint16_t number) {
    int64_t newest = (int64_t)stream->index, wraps = newest >> 16, last = newest & 0xffff;
    if (newest > MEDIAN) {
        if (last < MEDIAN && number - last > MEDIAN) wraps--;
        else if (last >= MEDIAN && last - MEDIAN > number) wraps++;
    }
    int64_t index = wraps << 16 | number;
    return index <= newest - OLDEST ? -1 : index;
}

/* Bytes that are authenticated and not sealed; 0 when the packet ends before. */
static int head_bytes(const uint8_t *packet, int size) {
    if (size < RTP_HEAD) return 0;
    int head = RTP_HEAD + (packet[0] & 15) * 4;
    if (packet[0] & 0x10) {
        if (head + 4 > size) return 0;
        head += 4 + (int)get16(packet + head + 2) * 4;
    }
    return head <= size ? head : 0;
}

/* Seals a packet where it lies; behind it there is room for SEAL_BYTES. Its new size, 0 when it is refused. */
int seal(PyObject *sealer, uint8_t *packet, int size) {
    Sealer *s = (Sealer *)sealer;
    int head = head_bytes(packet, size), count, body = size - head;
    if (!head) return 0;
    uint32_t ssrc = (uint32_t)get16(packet + 8) << 16 | get16(packet + 10);
    Stream *stream = stream_of(s, ssrc);
    int64_t index = stream ? index_of(stream, (uint16_t)get16(packet + 2)) : -1;
    if (index < 0) return 0;
    uint8_t vector[VECTOR];
    memcpy(vector, s->salt, VECTOR);
    for (int i = 0; i < 4; i++) vector[2 + i] ^= packet[8 + i];
    for (int i = 0; i < 6; i++) vector[6 + i] ^= (uint8_t)(index >> (40 - 8 * i));
    if (!init(s->context, NULL, NULL, NULL, vector) || !update(s->context, NULL, &count, packet, head)) return 0;
    if (body && !update(s->context, packet + head, &count, packet + head, body)) return 0;
    if (!final(s->context, packet + size, &count) || !control(s->context, GET_TAG, SEAL_BYTES, packet + size)) return 0;
    if ((uint64_t)index > stream->index) stream->index = (uint64_t)index;
    return size + SEAL_BYTES;
}

/* Asks ahead for what sealing will look at first. */
void sealer_ahead(PyObject *sealer) {
    Sealer *s = (Sealer *)sealer;
    ahead(s->streams, (long)(s->room * sizeof *s->streams));
    ahead(s->context, 192);
}

void *sealer_session(PyObject *sealer) { return ((Sealer *)sealer)->session; }

/* seal(buffer, at, size): as seal() above, in a bytearray. ValueError when the packet and its seal do not lie in it. */
static PyObject *seal_in(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 3 || !PyByteArray_CheckExact(args[0]))
        return PyErr_SetString(PyExc_TypeError, "seal(bytearray, at, size)"), NULL;
    Py_ssize_t at = PyLong_AsSsize_t(args[1]), size = PyLong_AsSsize_t(args[2]), room = PyByteArray_GET_SIZE(args[0]);
    if (PyErr_Occurred()) return NULL;
    if (at < 0 || size < 0 || at > room || size > room - at || room - at - size < SEAL_BYTES || size > 65535)
        return PyErr_SetString(PyExc_ValueError, "no room for the packet and its seal"), NULL;
    return PyLong_FromLong(seal(self, (uint8_t *)PyByteArray_AS_STRING(args[0]) + at, (int)size));
}

static PyMethodDef sealer_methods[] = {
    {"seal", (PyCFunction)(void (*)(void))seal_in, METH_FASTCALL, "seal(bytearray, at, size): its new size, 0 when refused"},
    {NULL, NULL, 0, NULL},
};

PyTypeObject SealerType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "mediaserver.native._batch.Sealer",
    .tp_doc = "SRTP of what one transport sends.",
    .tp_basicsize = sizeof(Sealer),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = sealer_new,
    .tp_dealloc = sealer_free,
    .tp_methods = sealer_methods,
};

/* SPDX-License-Identifier: Apache-2.0
 *
 * The least that forwarding can cost on this machine: one thread that receives a batch, opens each packet once, and for
 * each receiver copies, renumbers, protects and sends it, runs of equal size as one message (UDP GSO). No ICE, no RTCP,
 * no repair, no decisions. Built when the benchmark runs: cc -O2 floor.c -lcrypto. Orders come by stdin (see floor.py).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEERS = 256, BATCH = 64, BYTES = 2048, OUT = 60000, SEGMENT = 103, STREAMS = 64 };

typedef struct {
    EVP_CIPHER_CTX *cipher;
    HMAC_CTX *mac, *fresh;
    uint8_t salt[16];
} Keys;

typedef struct {
    struct sockaddr_in address;
    Keys keys;
    int skip; /* the publisher that this receiver is itself, or -1 */
} Receiver;

typedef struct {
    int port;
    Keys keys;
} Publisher;

typedef struct {
    uint32_t ssrc;
    uint16_t last;
    uint32_t roc;
} Roll;

static Publisher publishers[PEERS];
static Receiver receivers[PEERS];
static Roll rolls[STREAMS];
static int publisher_count, receiver_count, gcm;

static void fail(const char *what) {
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

/* RFC 3711 section 4.3: `size` bytes of the key stream under label. */
static void derive(const uint8_t *key, const uint8_t *salt, int salt_bytes, int label, uint8_t *out, int size) {
    uint8_t iv[16] = {0}, zeros[64] = {0};
    int done;
    memcpy(iv, salt, salt_bytes);
    iv[7] ^= label;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(c, EVP_aes_128_ctr(), NULL, key, iv);
    EVP_EncryptUpdate(c, out, &done, zeros, size);
    EVP_CIPHER_CTX_free(c);
}

static Keys keys_of(const char *hex, int open) {
    uint8_t master[64] = {0}, key[16], auth[20];
    Keys made = {EVP_CIPHER_CTX_new(), HMAC_CTX_new(), HMAC_CTX_new(), {0}};
    for (size_t i = 0; i < strlen(hex) / 2 && i < sizeof master; i++) {
        unsigned value;
        if (sscanf(hex + 2 * i, "%2x", &value) != 1) fail("bad hex");
        master[i] = value;
    }
    int salt_bytes = gcm ? 12 : 14;
    derive(master, master + 16, salt_bytes, 0, key, 16);
    derive(master, master + 16, salt_bytes, 1, auth, 20);
    derive(master, master + 16, salt_bytes, 2, made.salt, salt_bytes);
    const EVP_CIPHER *kind = gcm ? EVP_aes_128_gcm() : EVP_aes_128_ctr();
    if (!EVP_CipherInit_ex(made.cipher, kind, NULL, key, NULL, !(gcm && open))) fail("cipher");
    HMAC_Init_ex(made.fresh, auth, 20, EVP_sha1(), NULL);
    return made;
}

static uint32_t get32(const uint8_t *at) { return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]; }

static int header_bytes(const uint8_t *packet) {
    int size = 12 + (packet[0] & 15) * 4;
    return packet[0] & 0x10 ? size + 4 + (packet[size + 2] << 8 | packet[size + 3]) * 4 : size;
}

static void vector(uint8_t *iv, const Keys *keys, const uint8_t *packet, uint32_t roc) {
    uint8_t tail[10] = {0};
    memcpy(tail, packet + 8, 4);
    tail[4] = roc >> 24, tail[5] = roc >> 16, tail[6] = roc >> 8, tail[7] = roc;
    memcpy(tail + 8, packet + 2, 2);
    memcpy(iv, keys->salt, 16);
    for (int i = 0; i < 10; i++) iv[(gcm ? 2 : 4) + i] ^= tail[i];
}

/* The tag of what lies before `size`, into `tag`. */
static void authenticate(Keys *keys, const uint8_t *packet, int size, uint32_t roc, uint8_t *tag) {
    uint8_t whole[20], wire[4] = {roc >> 24, roc >> 16, roc >> 8, roc};
    HMAC_CTX_copy(keys->mac, keys->fresh);
    HMAC_Update(keys->mac, packet, size);
    HMAC_Update(keys->mac, wire, 4);
    HMAC_Final(keys->mac, whole, NULL);
    memcpy(tag, whole, 10);
}

static int protect(Keys *keys, uint8_t *packet, int size, uint32_t roc) {
    uint8_t iv[16];
    int head = header_bytes(packet), done;
    vector(iv, keys, packet, roc);
    EVP_EncryptInit_ex(keys->cipher, NULL, NULL, NULL, iv);
    if (gcm) EVP_EncryptUpdate(keys->cipher, NULL, &done, packet, head);
    EVP_EncryptUpdate(keys->cipher, packet + head, &done, packet + head, size - head);
    if (!gcm) return authenticate(keys, packet, size, roc, packet + size), size + 10;
    EVP_EncryptFinal_ex(keys->cipher, packet + size, &done);
    EVP_CIPHER_CTX_ctrl(keys->cipher, EVP_CTRL_AEAD_GET_TAG, 16, packet + size);
    return size + 16;
}

static int open_packet(Keys *keys, uint8_t *packet, int size, uint32_t roc) {
    uint8_t iv[16], tag[10];
    int head = header_bytes(packet), done, end = size - (gcm ? 16 : 10);
    if (end < head) return 0;
    vector(iv, keys, packet, roc);
    if (!gcm) {
        authenticate(keys, packet, end, roc, tag);
        if (memcmp(tag, packet + end, 10)) return 0;
    }
    EVP_CipherInit_ex(keys->cipher, NULL, NULL, NULL, iv, -1);
    if (gcm) {
        EVP_CIPHER_CTX_ctrl(keys->cipher, EVP_CTRL_AEAD_SET_TAG, 16, packet + end);
        EVP_DecryptUpdate(keys->cipher, NULL, &done, packet, head);
    }
    EVP_CipherUpdate(keys->cipher, packet + head, &done, packet + head, end - head);
    return gcm && EVP_DecryptFinal_ex(keys->cipher, packet + end, &done) <= 0 ? 0 : end;
}

static uint32_t roll_of(const uint8_t *packet) {
    uint32_t ssrc = get32(packet + 8);
    uint16_t number = packet[2] << 8 | packet[3];
    Roll *r = rolls;
    while (r->ssrc && r->ssrc != ssrc) r++;
    if (!r->ssrc) *r = (Roll){ssrc, number, 0};
    if (number < r->last && r->last - number > 32768) r->roc++;
    r->last = number;
    return r->roc;
}

static void send_run(int fd, const Receiver *to, uint8_t *bytes, int size, int segment) {
    struct iovec part = {bytes, size};
    union {
        char bytes[CMSG_SPACE(2)];
        struct cmsghdr align;
    } control;
    struct msghdr message = {.msg_name = (void *)&to->address, .msg_namelen = sizeof to->address, .msg_iov = &part,
                             .msg_iovlen = 1};
    if (size > segment) {
        message.msg_control = control.bytes, message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = IPPROTO_UDP, c->cmsg_type = SEGMENT, c->cmsg_len = CMSG_LEN(2);
        memcpy(CMSG_DATA(c), &(uint16_t){segment}, 2);
    }
    sendmsg(fd, &message, 0);
}

static void forward(int fd, int count, uint8_t packets[][BYTES], const int *sizes, const uint32_t *roc, const int *from) {
    static uint8_t out[OUT + BYTES];
    for (Receiver *to = receivers; to < receivers + receiver_count; to++) {
        int at = 0, segment = 0, start = 0;
        for (int i = 0; i < count; i++) {
            if (sizes[i] == 0 || from[i] == to->skip) continue;
            memcpy(out + at, packets[i], sizes[i]);
            int size = protect(&to->keys, out + at, sizes[i], roc[i]);
            if (at > start && (size > segment || at + size - start > OUT)) {
                send_run(fd, to, out + start, at - start, segment);
                memmove(out, out + at, size);
                at = start = 0;
            }
            if (at == start) segment = size;
            at += size;
            if (size < segment || at > OUT) {
                send_run(fd, to, out + start, at - start, segment);
                at = start = 0;
            }
        }
        if (at > start) send_run(fd, to, out + start, at - start, segment);
    }
}

int main(void) {
    char line[512], hex[256], suite[16];
    int fd = -1, number, other;
    while (fgets(line, sizeof line, stdin) && strncmp(line, "end", 3)) {
        if (sscanf(line, "suite %15s %d", suite, &fd) == 2) gcm = !strcmp(suite, "gcm");
        else if (sscanf(line, "publisher %d %255s", &number, hex) == 2)
            publishers[publisher_count++] = (Publisher){number, keys_of(hex, 1)};
        else if (sscanf(line, "receiver %d %255s %d", &number, hex, &other) == 3) {
            Receiver *to = &receivers[receiver_count++];
            to->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(number)};
            to->keys = keys_of(hex, 0);
            to->skip = other;
        }
    }
    struct sockaddr_in own;
    socklen_t own_bytes = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &own_bytes)) fail("getsockname");
    for (int i = 0; i < receiver_count; i++) receivers[i].address.sin_addr = own.sin_addr;
    static uint8_t packets[BATCH][BYTES];
    for (;;) {
        struct mmsghdr messages[BATCH];
        struct iovec parts[BATCH];
        struct sockaddr_in source[BATCH];
        int sizes[BATCH], from[BATCH];
        uint32_t roc[BATCH];
        for (int i = 0; i < BATCH; i++) {
            parts[i] = (struct iovec){packets[i], BYTES};
            messages[i].msg_hdr = (struct msghdr){.msg_name = &source[i], .msg_namelen = sizeof source[i],
                                                  .msg_iov = &parts[i], .msg_iovlen = 1};
        }
        int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        if (count < 0) fail("recvmmsg");
        for (int i = 0; i < count; i++) {
            uint8_t *p = packets[i];
            int size = messages[i].msg_len, who = 0;
            sizes[i] = 0;
            if (size < 28 || p[0] < 128 || p[0] > 191 || (p[1] >= 192 && p[1] <= 223)) continue;
            while (who < publisher_count && publishers[who].port != ntohs(source[i].sin_port)) who++;
            if (who == publisher_count) continue;
            roc[i] = roll_of(p);
            from[i] = who;
            sizes[i] = open_packet(&publishers[who].keys, p, size, roc[i]);
        }
        forward(fd, count, packets, sizes, roc, from);
    }
}

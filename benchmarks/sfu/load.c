/* SPDX-License-Identifier: Apache-2.0
 *
 * The load generator of benchmarks/sfu: publishers and subscribers over sockets whose ICE and DTLS are done already.
 * One thread. It reads its orders from stdin (see load.py), prints "begin" and "end" at the edges of the measured
 * window, then one JSON object. Built when a benchmark runs: cc -O2 load.c -lsrtp2.
 *
 * Publishers send video at 30 frames/s (each stream's orders say how many packets make a frame, and how large they are)
 * and audio at 50 packets/s, with sender reports; a key frame request is answered with a key frame. Subscribers send receiver reports, transport-wide feedback every 100 ms
 * and NACKs, as a browser does. Every packet is counted by its header; the packets of sampled subscribers are also
 * decrypted, checked, and timed from the call that sent them to the kernel's receive stamp. Sound that is sent once more,
 * the same to the bit under its own number, is counted apart: SRTP's replay check would refuse it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <srtp2/srtp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PEERS = 512, STREAMS = 128, INBOUND = 64, BATCH = 64, BYTES = 2048, FRAME = 5, SENT = 1 << 14, PENDING = 2048 };
enum { MAGIC = 0x56484c44, TRAILER = 16 };
enum { SEEN = 64 }; /* newest numbers of a stream that are remembered */

typedef struct {
    uint32_t ssrc;
    uint16_t highest;
    uint64_t extended, first, received, nack_from;
    int64_t report_at;
    uint64_t seen[SEEN]; /* number, and the end of the packet's tag */
} Inbound;

typedef struct {
    int fd, sampled, twcc_id, inbound_count;
    srtp_t tx, rx;
    uint8_t keepalive[512];
    size_t keepalive_bytes;
    int64_t keepalive_at, feedback_at;
    uint8_t feedback_count;
    Inbound inbound[INBOUND];
    int pending;
    uint16_t pending_number[PENDING];
    int64_t pending_at[PENDING];
} Peer;

typedef struct {
    int peer, video, payload_type, twcc_id, level_id, key_wanted, in_frame, picture_id;
    int frame, bytes, width, height; /* packets of a frame, bytes of a packet, size of the picture */
    uint32_t ssrc, timestamp, packets, octets;
    uint16_t sequence;
    uint64_t counter;
    int64_t due, report_at, sent_at[SENT];
} Stream;

static Peer peers[PEERS];
static Stream streams[STREAMS];
static uint16_t twcc_number[PEERS];
static int peer_count, stream_count, measuring, gcm;
static int64_t gap_us;
static uint64_t received, repeated, sent, bad, rtcp_in, rtcp_out, nacks, send_failed, key_requests;
static uint32_t *samples, *lates; /* µs: of packets on their way, and of what was sent later than planned */
static size_t sample_count, sample_room, late_count;

static int64_t clock_us(clockid_t which) {
    struct timespec now;
    clock_gettime(which, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void put16(uint8_t *at, uint32_t value) { at[0] = value >> 8, at[1] = value; }
static void put32(uint8_t *at, uint32_t value) { put16(at, value >> 16), put16(at + 2, value); }
static uint32_t get16(const uint8_t *at) { return at[0] << 8 | at[1]; }
static uint32_t get32(const uint8_t *at) { return get16(at) << 16 | get16(at + 2); }

static void fail(const char *what) {
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static size_t from_hex(const char *hex, uint8_t *out, size_t room) {
    size_t count = strlen(hex) / 2;
    if (count > room) fail("hex too long");
    for (size_t i = 0; i < count; i++) {
        unsigned value;
        if (sscanf(hex + 2 * i, "%2x", &value) != 1) fail("bad hex");
        out[i] = value;
    }
    return count;
}

static srtp_t session(uint8_t *key, srtp_ssrc_type_t direction) {
    srtp_policy_t policy;
    srtp_t made;
    memset(&policy, 0, sizeof policy);
    srtp_profile_t profile = gcm ? srtp_profile_aead_aes_128_gcm : srtp_profile_aes128_cm_sha1_80;
    srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, profile);
    srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, profile);
    policy.ssrc.type = direction;
    policy.key = key;
    policy.window_size = 1024;
    policy.allow_repeat_tx = 1;
    if (srtp_create(&made, &policy)) fail("srtp_create");
    return made;
}

static void read_orders(double *warm_s, double *window_s) {
    static char line[8192], first[4096], second[256], third[2048];
    while (fgets(line, sizeof line, stdin)) {
        uint8_t key[64] = {0};
        if (sscanf(line, "suite %255s", second) == 1) {
            gcm = !strcmp(second, "gcm");
        } else if (sscanf(line, "window %lf %lf %ld", warm_s, window_s, &gap_us) == 3) {
            continue;
        } else if (!strncmp(line, "peer ", 5)) {
            if (peer_count == PEERS) fail("too many peers");
            Peer *peer = &peers[peer_count++];
            if (sscanf(line, "peer %d %4095s %255s %d %d %2047s", &peer->fd, first, second, &peer->sampled,
                       &peer->twcc_id, third) != 6) fail("bad peer");
            from_hex(first, key, sizeof key);
            peer->tx = session(key, ssrc_any_outbound);
            from_hex(second, key, sizeof key);
            peer->rx = session(key, ssrc_any_inbound);
            peer->keepalive_bytes = *third == '-' ? 0 : from_hex(third, peer->keepalive, sizeof peer->keepalive);
        } else if (!strncmp(line, "stream ", 7)) {
            if (stream_count == STREAMS) fail("too many streams");
            Stream *s = &streams[stream_count++];
            char kind;
            if (sscanf(line, "stream %d %c %u %d %d %d %ld %d %d %d %d", &s->peer, &kind, &s->ssrc, &s->payload_type,
                       &s->twcc_id, &s->level_id, &s->due, &s->frame, &s->bytes, &s->width, &s->height) != 11)
                fail("bad stream");
            if (s->frame < 1 || s->frame > FRAME || s->bytes < 100 || s->bytes > BYTES - 64) fail("bad stream size");
            s->video = kind == 'v';
            s->key_wanted = 1;
            s->sequence = 60000 + stream_count;
        } else if (!strncmp(line, "end", 3)) {
            return;
        }
    }
    fail("no end of orders");
}

/* One packet in clear at `out`; returns its size. The payload ends with a trailer that names stream and counter. */
static int build(Stream *s, uint8_t *out, int key, int first, int last) {
    int size = 12, total = s->bytes;
    memset(out, 0, total);
    out[0] = 0x80;
    out[1] = s->payload_type | (last && s->video ? 0x80 : 0);
    put16(out + 2, s->sequence++);
    put32(out + 4, s->timestamp);
    put32(out + 8, s->ssrc);
    if (s->twcc_id || s->level_id) {
        int at = 16;
        if (s->level_id) out[at++] = s->level_id << 4, out[at++] = 0x80 | 30;
        if (s->twcc_id) out[at] = s->twcc_id << 4 | 1, put16(out + at + 1, twcc_number[s->peer]++), at += 3;
        size = 16 + (at - 16 + 3) / 4 * 4;
        out[0] |= 0x10;
        put16(out + 12, 0xbede);
        put16(out + 14, (size - 16) / 4);
    }
    if (s->video) {
        out[size++] = 0x80 | (first ? 0x10 : 0); /* RFC 7741: X, S */
        out[size++] = 0x80;                      /* I */
        out[size++] = 0x80 | (s->picture_id >> 8 & 0x7f);
        out[size++] = s->picture_id;
        if (first) {
            out[size] = key ? 0x10 : 0x11;
            if (key) {
                memcpy(out + size + 3, "\x9d\x01\x2a", 3);
                out[size + 6] = s->width, out[size + 7] = s->width >> 8;
                out[size + 8] = s->height, out[size + 9] = s->height >> 8;
            }
        }
    } else {
        out[size] = 0x78;
    }
    uint8_t *trailer = out + total - TRAILER;
    put32(trailer, MAGIC);
    put32(trailer + 4, s - streams);
    put32(trailer + 8, s->counter >> 32);
    put32(trailer + 12, s->counter);
    s->packets++;
    s->octets += total - size;
    return total;
}

static void publish(Stream *s, int64_t now) {
    static uint8_t bytes[FRAME][BYTES];
    struct mmsghdr messages[FRAME];
    struct iovec parts[FRAME];
    int count = s->video && !gap_us ? s->frame : 1;
    uint64_t first_counter = s->counter;
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < count; i++) {
        int place = s->video ? s->in_frame : 0;
        if (place == 0 && s->video) s->picture_id = (s->picture_id + 1) & 0x7fff;
        int size = build(s, bytes[i], s->key_wanted, place == 0, place == s->frame - 1);
        s->counter++;
        if (s->video) s->in_frame = (place + 1) % s->frame;
        if (place == s->frame - 1) s->key_wanted = 0;
        if (srtp_protect(peers[s->peer].tx, bytes[i], &size)) fail("protect");
        parts[i] = (struct iovec){bytes[i], size};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    if (measuring && late_count < sample_room) lates[late_count++] = now > s->due ? now - s->due : 0;
    int64_t at = clock_us(CLOCK_REALTIME);
    for (int i = 0; i < count; i++) s->sent_at[(first_counter + i) % SENT] = at;
    int done = sendmmsg(peers[s->peer].fd, messages, count, 0);
    if (done < count) send_failed += count - (done < 0 ? 0 : done);
    if (measuring) sent += count;
    if (s->in_frame == 0) s->timestamp += s->video ? 3000 : 960;
    int64_t period = s->video ? 33333 : 20000;
    if (gap_us && s->video) period = s->in_frame ? gap_us : 33333 - gap_us * (s->frame - 1);
    s->due += period;
    if (s->due < now - 200000) s->due = now; /* a stall of the machine is not made up for */
}

static void send_rtcp(Peer *peer, uint8_t *packet, int size) {
    if (srtp_protect_rtcp(peer->tx, packet, &size)) fail("protect rtcp");
    if (send(peer->fd, packet, size, 0) < 0) send_failed++;
    rtcp_out++;
}

static void sender_report(Stream *s, int64_t now) {
    uint8_t packet[BYTES];
    int64_t real = clock_us(CLOCK_REALTIME);
    (void)now;
    put32(packet, 0x80c80006);
    put32(packet + 4, s->ssrc);
    put32(packet + 8, real / 1000000 + 2208988800U);
    put32(packet + 12, (uint32_t)((real % 1000000) * 4294.967296));
    put32(packet + 16, s->timestamp);
    put32(packet + 20, s->packets);
    put32(packet + 24, s->octets);
    put32(packet + 28, 0x81ca0003);
    put32(packet + 32, s->ssrc);
    memcpy(packet + 36, "\x01\x04load\0\0", 8);
    send_rtcp(&peers[s->peer], packet, 44);
}

static void receiver_report(Peer *peer, Inbound *in) {
    uint8_t packet[BYTES];
    put32(packet, 0x81c90007);
    put32(packet + 4, 1);
    put32(packet + 8, in->ssrc);
    put32(packet + 12, 0);
    put32(packet + 16, in->extended);
    put32(packet + 20, 20);
    put32(packet + 24, 0);
    put32(packet + 28, 0);
    send_rtcp(peer, packet, 32);
}

/* Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01) in two-bit vectors, in arrival order. */
static void feedback(Peer *peer) {
    uint8_t packet[BYTES], deltas[1024];
    int count = peer->pending, delta_bytes = 0, symbols = 0, size = 20;
    if (!count) return;
    if (count > 400) count = 400;
    uint16_t base = peer->pending_number[0], next = base;
    int64_t reference = peer->pending_at[0] / 64000, previous = reference * 256;
    uint32_t word = 0xc000;
    for (int i = 0; i < count; i++) {
        if ((uint16_t)(peer->pending_number[i] - next) > 60) continue; /* late or far: left out, reads as lost */
        for (;; next++) {
            int here = next == peer->pending_number[i], symbol = 0;
            if (here) {
                int64_t delta = peer->pending_at[i] / 250 - previous;
                symbol = delta >= 0 && delta < 256 ? 1 : 2;
                if (symbol == 1) deltas[delta_bytes++] = delta;
                else put16(deltas + delta_bytes, delta), delta_bytes += 2;
                previous += delta;
            }
            word |= symbol << (12 - 2 * (symbols % 7));
            if (++symbols % 7 == 0) put16(packet + size, word), size += 2, word = 0xc000;
            if (here) break;
        }
        next++;
    }
    if (symbols % 7) put16(packet + size, word), size += 2;
    memcpy(packet + size, deltas, delta_bytes);
    size += delta_bytes;
    int padding = -size & 3;
    memset(packet + size, 0, padding);
    size += padding;
    if (padding) packet[size - 1] = padding;
    put32(packet, 0x8fcd0000 | (padding ? 0x20000000 : 0) | (size / 4 - 1));
    put32(packet + 4, 1);
    put32(packet + 8, peer->inbound[0].ssrc);
    put16(packet + 12, base);
    put16(packet + 14, symbols);
    put32(packet + 16, (uint32_t)reference << 8 | peer->feedback_count++);
    peer->pending = 0;
    send_rtcp(peer, packet, size);
}

static void nack(Peer *peer, Inbound *in, uint16_t from, int missing) {
    uint8_t packet[BYTES];
    put32(packet, 0x81cd0003);
    put32(packet + 4, 1);
    put32(packet + 8, in->ssrc);
    put16(packet + 12, from);
    put16(packet + 14, missing > 16 ? 0xffff : (1 << (missing - 1)) - 1);
    nacks++;
    send_rtcp(peer, packet, 16);
}

static void take_rtcp(Peer *peer, uint8_t *packet, int size) {
    rtcp_in++;
    int publishes = 0;
    for (int i = 0; i < stream_count; i++) publishes |= &peers[streams[i].peer] == peer;
    if (!publishes || srtp_unprotect_rtcp(peer->rx, packet, &size)) return;
    for (int at = 0; at + 12 <= size; at += 4 + get16(packet + at + 2) * 4) {
        int kind = packet[at + 1], format = packet[at] & 31, words = get16(packet + at + 2);
        if (kind != 206 || (format != 1 && format != 4)) continue;
        uint32_t media = format == 4 && words >= 4 ? get32(packet + at + 12) : get32(packet + at + 8);
        for (int i = 0; i < stream_count; i++)
            if (streams[i].ssrc == media && streams[i].video && streams[i].in_frame == 0)
                streams[i].key_wanted = 1, key_requests++;
    }
}

static void sample(Peer *peer, uint8_t *packet, int size, int64_t at) {
    if (srtp_unprotect(peer->rx, packet, &size) || size < 12 + TRAILER) {
        bad += measuring;
        return;
    }
    uint8_t *trailer = packet + size - TRAILER;
    uint32_t number = get32(trailer + 4);
    if (get32(trailer) != MAGIC || number >= (uint32_t)stream_count) {
        bad += measuring;
        return;
    }
    if (!measuring || sample_count == sample_room) return;
    int64_t took = at - streams[number].sent_at[get32(trailer + 12) % SENT];
    samples[sample_count++] = took < 0 ? 0 : took;
}

/* Reads the header extension: whether the packet has a transport-wide number, which is kept for the feedback. */
static int numbered(Peer *peer, const uint8_t *packet, int size, int64_t at) {
    if (!peer->twcc_id || !(packet[0] & 0x10) || get16(packet + 12) != 0xbede) return 0;
    int stop = 16 + get16(packet + 14) * 4, found = 0;
    for (int i = 16; i < stop && i < size;) {
        if (!packet[i]) { i++; continue; }
        int id = packet[i] >> 4, length = (packet[i] & 15) + 1;
        if (id == peer->twcc_id) {
            found = 1;
            if (peer->pending < PENDING) {
                peer->pending_number[peer->pending] = get16(packet + i + 1);
                peer->pending_at[peer->pending++] = at;
            }
        }
        i += 1 + length;
    }
    return found;
}

/* Whether the packet of this number came before, the same to the bit. */
static int came_before(Inbound *in, uint64_t extended, const uint8_t *packet, int size) {
    uint64_t mark = extended << 32 | get32(packet + size - 4), *seen = &in->seen[extended % SEEN];
    if (*seen == mark) return 1;
    if (*seen >> 32 < extended) *seen = mark;
    return 0;
}

static void take_rtp(Peer *peer, uint8_t *packet, int size, int64_t at) {
    uint32_t ssrc = get32(packet + 8);
    uint16_t number = get16(packet + 2);
    Inbound *in = peer->inbound, *end = in + peer->inbound_count;
    while (in < end && in->ssrc != ssrc) in++;
    if (in == end) {
        if (peer->inbound_count == INBOUND) fail("too many streams at one subscriber");
        peer->inbound_count++;
        *in = (Inbound){.ssrc = ssrc, .highest = number, .extended = 65536 + number, .first = 65536 + number};
        in->report_at = at + 1000000;
        in->extended--;
    }
    int16_t step = number - (uint16_t)in->extended;
    /* With a transport-wide number nothing may come twice: it is left to the replay check. */
    if (!numbered(peer, packet, size, at) && came_before(in, in->extended + step, packet, size)) {
        repeated += measuring;
        return;
    }
    if (step > 1 && step < 1000) nack(peer, in, (uint16_t)(in->extended + 1), step - 1);
    if (step > 0) in->extended += step;
    if (measuring) in->received++, received++;
    if (peer->sampled) sample(peer, packet, size, at);
}

static void drain(Peer *peer) {
    static uint8_t bytes[BATCH][BYTES], control[BATCH][64];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            parts[i] = (struct iovec){bytes[i], BYTES};
            messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
            if (peer->sampled) messages[i].msg_hdr.msg_control = control[i], messages[i].msg_hdr.msg_controllen = 64;
        }
        int count = recvmmsg(peer->fd, messages, BATCH, MSG_DONTWAIT, NULL);
        if (count <= 0) return;
        int64_t now = clock_us(CLOCK_REALTIME);
        for (int i = 0; i < count; i++) {
            uint8_t *packet = bytes[i];
            int size = messages[i].msg_len;
            int64_t at = now;
            struct cmsghdr *c = peer->sampled ? CMSG_FIRSTHDR(&messages[i].msg_hdr) : NULL;
            if (c && c->cmsg_type == SCM_TIMESTAMPNS) {
                struct timespec *stamp = (struct timespec *)CMSG_DATA(c);
                at = stamp->tv_sec * 1000000LL + stamp->tv_nsec / 1000;
            }
            if (size < 12 || packet[0] < 128 || packet[0] > 191) continue; /* STUN, DTLS */
            if (packet[1] >= 192 && packet[1] <= 223) take_rtcp(peer, packet, size);
            else take_rtp(peer, packet, size, at);
        }
        if (count < BATCH) return;
    }
}

static void look_after(int64_t now) {
    for (int i = 0; i < peer_count; i++) {
        Peer *peer = &peers[i];
        if (peer->keepalive_bytes && now >= peer->keepalive_at) {
            peer->keepalive_at = now + 2500000; /* as Chromium checks a path that works */
            if (send(peer->fd, peer->keepalive, peer->keepalive_bytes, 0) < 0) send_failed++;
        }
        if (!peer->inbound_count) continue;
        if (!peer->feedback_at) peer->feedback_at = now + i * 7919 % 100000;
        if (now >= peer->feedback_at) peer->feedback_at += 100000, feedback(peer);
        int64_t real = clock_us(CLOCK_REALTIME);
        for (Inbound *in = peer->inbound; in < peer->inbound + peer->inbound_count; in++)
            if (real >= in->report_at) in->report_at = real + 1000000, receiver_report(peer, in);
    }
    for (Stream *s = streams; s < streams + stream_count; s++)
        if (s->packets && now >= s->report_at) s->report_at = now + 1000000, sender_report(s, now);
}

static void start_window(void) {
    for (Peer *peer = peers; peer < peers + peer_count; peer++)
        for (Inbound *in = peer->inbound; in < peer->inbound + peer->inbound_count; in++)
            in->first = in->extended + 1;
}

static int by_size(const void *a, const void *b) {
    return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : *(const uint32_t *)a > *(const uint32_t *)b;
}

static void report(double seconds, double cpu_s) {
    uint64_t expected = 0, lost = 0;
    int fewest = 1 << 30, most = 0;
    for (Peer *peer = peers; peer < peers + peer_count; peer++) {
        int live = 0;
        for (Inbound *in = peer->inbound; in < peer->inbound + peer->inbound_count; in++) {
            uint64_t wanted = in->extended + 1 - in->first;
            if (in->received) live++;
            expected += wanted;
            if (wanted > in->received) lost += wanted - in->received;
        }
        if (peer->inbound_count && live < fewest) fewest = live;
        if (live > most) most = live;
    }
    qsort(samples, sample_count, sizeof *samples, by_size);
    qsort(lates, late_count, sizeof *lates, by_size);
#define AT(q) (sample_count ? samples[(size_t)((sample_count - 1) * (q))] / 1000.0 : -1.0)
    printf("{\"seconds\": %.3f, \"sent\": %lu, \"received\": %lu, \"expected\": %lu, \"lost\": %lu, \"repeated\": %lu, \"bad\": %lu, "
           "\"samples\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, \"fewest_streams\": %d, "
           "\"most_streams\": %d, \"rtcp_in\": %lu, \"rtcp_out\": %lu, \"nacks\": %lu, \"send_failed\": %lu, "
           "\"key_requests\": %lu, \"generator_cpu\": %.3f, \"late_p99_ms\": %.3f}\n",
           seconds, sent, received, expected, lost, repeated, bad, sample_count, AT(.5), AT(.99), AT(1), fewest, most, rtcp_in,
           rtcp_out, nacks, send_failed, key_requests, cpu_s / seconds,
           late_count ? lates[(size_t)((late_count - 1) * .99)] / 1000.0 : -1.0);
}

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(void) {
    double warm_s = 1, window_s = 3, cpu_s = 0;
    srtp_init();
    read_orders(&warm_s, &window_s);
    sample_room = 4000000;
    samples = malloc(sample_room * sizeof *samples), lates = malloc(sample_room * sizeof *lates);
    int poll = epoll_create1(0);
    for (int i = 0; i < peer_count; i++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = i};
        int on = 1;
        if (epoll_ctl(poll, EPOLL_CTL_ADD, peers[i].fd, &wanted)) fail("epoll_ctl");
        if (peers[i].sampled) setsockopt(peers[i].fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    }
    int64_t start = clock_us(CLOCK_MONOTONIC), begin = start + warm_s * 1e6, stop = begin + window_s * 1e6, care = 0;
    for (Stream *s = streams; s < streams + stream_count; s++) s->due += start + 50000;
    for (;;) {
        int64_t now = clock_us(CLOCK_MONOTONIC), next = measuring ? stop : begin;
        if (!measuring && now >= begin) {
            start_window();
            measuring = 1;
            cpu_s = cpu_seconds();
            begin = now;
            puts("begin");
            fflush(stdout);
        }
        if (measuring && now >= stop) break;
        for (Stream *s = streams; s < streams + stream_count; s++) {
            if (s->due <= now) publish(s, now);
            if (s->due < next) next = s->due;
        }
        if (now >= care) look_after(now), care = now + 5000;
        if (care < next) next = care;
        now = clock_us(CLOCK_MONOTONIC);
        int64_t wait = next > now ? next - now : 0;
        struct timespec timeout = {wait / 1000000, wait % 1000000 * 1000};
        struct epoll_event ready[64];
        int count = epoll_pwait2(poll, ready, 64, &timeout, NULL);
        for (int i = 0; i < count; i++) drain(&peers[ready[i].data.u32]);
    }
    double seconds = (clock_us(CLOCK_MONOTONIC) - begin) / 1e6;
    cpu_s = cpu_seconds() - cpu_s;
    puts("end");
    fflush(stdout);
    measuring = 0;
    report(seconds, cpu_s);
    return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Fragments: put together, refused, given up, and made. */
#include "ip_world.h"

#include <errno.h>

static void fragment(struct host *h, uint16_t id, uint32_t off, uint32_t len,
                     bool more) {
    static uint8_t data[70000];
    for (uint32_t i = 0; i < len; i++)
        data[i] = (uint8_t)((off + i) * 13);
    give(h,
         (struct ip4_hdr){.src = PEER,
                          .dst = SELF,
                          .id = id,
                          .proto = 200,
                          .frag_off = (uint16_t)off,
                          .mf = more},
         data, len);
}

static void check_reassembled(uint32_t len) {
    assert_int_equal(got.len, len);
    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(got.bytes[i], (uint8_t)(i * 13));
}

static void reassembly(void **state) {
    (void)state;
    struct host *h = start();
    fragment(h, 1, 1480, 1480, true);
    fragment(h, 2, 0, 8, true); /* another datagram, in between */
    fragment(h, 1, 2960, 33, false);
    fragment(h, 1, 1480, 1480, true); /* duplicated: no harm */
    assert_int_equal(h->env.drops[WEIR_DUP_FRAG], 1);
    assert_int_equal(got.calls, 0);
    fragment(h, 1, 0, 1480, true);
    assert_int_equal(got.calls, 1);
    check_reassembled(2993);
    fragment(h, 2, 8, 1, false);
    assert_int_equal(got.calls, 2);
    check_reassembled(9);
    /* The largest there may be, in pieces of 8, backwards. */
    h->env.sysctl.ipfrag_high_thresh = 8 << 20;
    for (uint32_t off = 65512; off > 0; off -= 8)
        fragment(h, 3, off, off == 65512 ? 3 : 8, off != 65512);
    fragment(h, 3, 0, 8, true);
    assert_int_equal(got.calls, 3);
    check_reassembled(65515);
    stop(h);
}

/* RFC 5722 3: an overlap ends the datagram, what came and what comes. */
static void overlaps(void **state) {
    (void)state;
    struct host *h = start();
    fragment(h, 1, 0, 16, true);
    fragment(h, 1, 8, 16, true);
    assert_int_equal(h->env.drops[WEIR_DUP_FRAG], 2);
    fragment(h, 1, 16, 8, false);
    assert_int_equal(got.calls, 0);
    fragment(h, 2, 16, 16, true);
    fragment(h, 2, 8, 16, true);
    assert_int_equal(h->env.drops[WEIR_DUP_FRAG], 4);
    /* Ends that disagree, bytes past 65535, pieces that do not divide by 8. */
    fragment(h, 4, 64, 8, false);
    fragment(h, 4, 72, 8, true);
    fragment(h, 5, 65528, 100, false);
    fragment(h, 6, 0, 9, true);
    assert_int_equal(h->env.drops[WEIR_IP_INHDR], 4);
    assert_int_equal(got.calls, 0);
    stop(h);
}

static void reassembly_timeout(void **state) {
    (void)state;
    struct host *h = start();
    uint8_t f[2000];
    fragment(h, 1, 0, 64, true);
    fragment(h, 2, 8, 64, true);
    host_advance(h, 30 * SEC - 1);
    assert_null(host_take(h));
    host_advance(h, 1);
    /* Only where the first fragment came (RFC 792). */
    expect_icmp(h, f, 11, 1, PEER);
    assert_null(host_take(h));
    assert_int_equal(h->env.drops[WEIR_FRAG_REASM_TIMEOUT], 2);
    assert_int_equal(last_event(h, WEIR_EV_TIMER_FIRED)->timer.timer,
                     WEIR_TIMER_REASSEMBLY);
    fragment(h, 1, 64, 8, false); /* too late */
    assert_int_equal(got.calls, 0);
    stop(h);
}

static void reassembly_memory(void **state) {
    (void)state;
    struct host *h = start();
    h->env.sysctl.ipfrag_high_thresh = 100000;
    for (uint16_t id = 0; id < 200; id++)
        fragment(h, id, 0, 1400, true);
    assert_true(h->env.drops[WEIR_FRAG_TOO_FAR] > 100);
    assert_true(weir_arena_used(h->env.arena) < 300000);
    host_advance(h, 31 * SEC); /* room again */
    fragment(h, 500, 0, 8, true);
    fragment(h, 500, 8, 8, false);
    assert_int_equal(got.calls, 1);
    stop(h);
}

static int output(struct host *h, uint32_t len, bool df) {
    struct weir_pkt *pkt = weir_pkt_alloc(h->env.arena, 64);
    struct weir_buf *buf = weir_buf_alloc(h->env.arena, len);
    for (uint32_t i = 0; i < len; i++)
        buf->data[i] = (uint8_t)(i * 13);
    weir_pkt_append(pkt, buf, 0, len);
    const struct ip_flow flow = {.src = weir_addr_v4(SELF),
                                 .dst = weir_addr_v4(PEER),
                                 .proto = 200,
                                 .df = df};
    return ip_output(h->ip, pkt, &flow);
}

/* What we cut, another host puts together. */
static void fragmentation(void **state) {
    (void)state;
    struct host *h = start();
    assert_int_equal(output(h, 1480, true), 0);
    assert_int_equal(output(h, 1481, true), -EMSGSIZE);
    assert_int_equal(h->env.drops[WEIR_PKT_TOO_BIG], 1);
    assert_int_equal(output(h, 65516, false), -EMSGSIZE);
    uint8_t f[2000];
    assert_int_equal(host_take_bytes(h, f), 1514);
    assert_int_equal(get16(f + 18), 0); /* RFC 6864: DF, so no identity */
    assert_int_equal(output(h, 4000, false), 0);
    assert_int_equal(h->env.counters[WEIR_CTR_Ip_FragCreates], 3);
    uint16_t id = 0;
    for (int i = 0; i < 3; i++) {
        uint32_t len = host_take_bytes(h, f);
        assert_true(len <= 1514);
        assert_true(i == 0 || get16(f + 18) == id);
        id = get16(f + 18);
        put32(f + 14 + 12, PEER); /* send it back to ourselves */
        put32(f + 14 + 16, SELF);
        ip4_csum_set(f + 14, 20);
        memcpy(f, (const uint8_t[6]){2, 0, 0, 0, 1, 2}, 6);
        host_give_bytes(h, 2, f, len);
    }
    assert_int_equal(got.calls, 1);
    check_reassembled(4000);
    stop(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reassembly),
        cmocka_unit_test(overlaps),
        cmocka_unit_test(reassembly_timeout),
        cmocka_unit_test(reassembly_memory),
        cmocka_unit_test(fragmentation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

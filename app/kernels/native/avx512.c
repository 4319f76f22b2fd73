/* The kernel for x86-64 with AVX-512F. */
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma"))), apply_to = function)
#ifndef __AVX512F__
#define __AVX512F__ 1
#endif
#else
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,fma")
#endif
#include "kernel.h"

int ctr_score_avx512(const struct model *model, const struct batch *batch, float *logits_C,
                   float *attention_CT) {
    return score(model, batch, logits_C, attention_CT);
}
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif

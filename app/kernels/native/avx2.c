/* The kernel for x86-64 with AVX2 and FMA. */
#if defined(__x86_64__)
#define AVX2
#include "target.h"

BEGIN_TARGET("avx2,fma")
#include "kernel.h"

int ctr_score_avx2(const struct model *model, const struct batch *batch, float *logits_C,
                   float *attention_CT) {
    return score(model, batch, logits_C, attention_CT);
}
END_TARGET
#endif

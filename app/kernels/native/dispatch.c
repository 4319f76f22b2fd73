/* Chooses the kernel for this CPU, once. */
#include <stddef.h>
#include <string.h>

#include "ctr_kernel.h"
#include "workspace.h"
#include "state_layout.h"

typedef int score_function(const struct model *, const struct batch *, float *, float *);

score_function ctr_score_generic, ctr_score_avx2, ctr_score_avx512;

struct variant {
    const char *isa;
    score_function *score;
};

/* From the best to the one that always runs. */
static int available(struct variant variants[3]) {
    int count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("fma"))
        variants[count++] = (struct variant){"avx512", ctr_score_avx512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        variants[count++] = (struct variant){"avx2", ctr_score_avx2};
#endif
    variants[count++] = (struct variant){"generic", ctr_score_generic};
    return count;
}

static struct variant chosen;

__attribute__((constructor)) static void choose_the_best(void) {
    struct variant variants[3];
    available(variants);
    chosen = variants[0];
}

int32_t ctr_layout(void) { return LAYOUT; }

const char *ctr_isa(void) { return chosen.isa; }

int ctr_use_isa(const char *isa) {
    struct variant variants[3];
    const int count = available(variants);
    for (int i = 0; i < count; i++)
        if (strcmp(variants[i].isa, isa) == 0) {
            chosen = variants[i];
            return 0;
        }
    return 1;
}

int ctr_score(const struct model *model, const struct batch *batch, float *logits_C,
              float *attention_CT) {
    return chosen.score(model, batch, logits_C, attention_CT);
}

int64_t ctr_floats_of_user_states(const struct model *model, int64_t behaviors) {
    struct workspace counted = {0};
    for (int i = 0; i < model->interests; i++)
        take_states(&counted, &model->interest[i], behaviors);
    return counted.used_floats;
}

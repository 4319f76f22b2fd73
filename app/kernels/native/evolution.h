/* From attention to what the last MLP gets of an interest, for the candidates of a tile. */

/* How much of the new state is written, u the update gate and a the attention. */
ALWAYS_INLINE vector written(int evolution, vector u, vector a) {
    switch (evolution) {
    case AGRU: return a;
    case AUGRU_PAPER: return a * u;
    case AUGRU_OFFICIAL: return a + (1.0f - a) * u;
    default: return u; /* AIGRU has scaled its inputs */
    }
}

/* W x of a gate's unit, the same for all candidates but where attention scales it. */
ALWAYS_INLINE vector gate_input(const struct cell *cell, int scaled, const float *input_G, int g,
                                vector a) {
    return scaled ? input_G[g] * a + cell->input_bias[g] : broadcast(input_G[g]);
}

/* One step of the recurrence under attention; h is updated in place. */
ALWAYS_INLINE void step_of_tile(const struct cell *cell, const int evolution, int vectors,
                                const float *input_G, const float *attention_L, float *gates_GL,
                                float *reset_HL, float *h_HL) {
    const int hidden = cell->hidden, width = vectors * LANES, scaled = evolution == AIGRU;
    const int without_new = cell->reset_before ? 2 * hidden : 3 * hidden;
    struct left weight = panels_of(cell->hidden_panels, hidden);
    over_candidates(vectors, without_new, hidden, weight, h_HL,
                    (struct start){.of_row = cell->hidden_bias}, gates_GL);
    if (cell->reset_before) {
        for (int j = 0; j < hidden; j++)
            for (int v = 0; v < width; v += LANES) {
                const int64_t at = j * width + v;
                vector input = gate_input(cell, scaled, input_G, j, load(attention_L + v));
                store(reset_HL + at, sigmoid(input + load(gates_GL + at)) * load(h_HL + at));
            }
        over_candidates(vectors, hidden, hidden, panels_of(cell->new_panels, hidden), reset_HL,
                        (struct start){.of_row = cell->hidden_bias + 2 * hidden},
                        gates_GL + 2 * hidden * width);
    }
    for (int j = 0; j < hidden; j++)
        for (int v = 0; v < width; v += LANES) {
            const int64_t at = j * width + v, next_gate = (int64_t)hidden * width;
            const float *gate = gates_GL + at;
            vector a = load(attention_L + v), h = load(h_HL + at);
            vector update = sigmoid(gate_input(cell, scaled, input_G, hidden + j, a) +
                                    load(gate + next_gate));
            vector product = load(gate + 2 * next_gate);
            if (!cell->reset_before)
                product *= sigmoid(gate_input(cell, scaled, input_G, j, a) + load(gate));
            vector new = hyperbolic_tangent(gate_input(cell, scaled, input_G, 2 * hidden + j, a) +
                                            product);
            store(h_HL + at, h + written(evolution, update, a) * (new - h));
        }
}

ALWAYS_INLINE void steps_of_tile(const struct interest *interest, const int evolution,
                                 struct user_states states, int64_t steps, int vectors,
                                 const float *attention_TL, float *gates_GL, float *reset_HL,
                                 float *h_HL) {
    for (int64_t t = 0; t < steps; t++)
        step_of_tile(interest->evolution_cell, evolution, vectors,
                     states.inputs_TG + t * states.input_stride,
                     attention_TL + t * vectors * LANES, gates_GL, reset_HL, h_HL);
}

/* The sum of the values, weighted: the values' transpose times attention. */
static void pool_over_steps(const struct interest *interest, struct user_states states,
                            int64_t steps, int vectors, const float *attention_TL, float *h_HL) {
    struct left values_HT = {states.values_TH, PANEL, 1, states.value_stride};
    over_candidates(vectors, interest->hidden, (int)steps, values_HT, attention_TL,
                    (struct start){0}, h_HL);
}

/* The interest [H, L] of each candidate. */
static void evolve(const struct interest *interest, struct user_states states, int64_t steps,
                   int vectors, const float *attention_TL, float *gates_GL, float *reset_HL,
                   float *h_HL) {
    const int width = vectors * LANES;
    const float *constant_H = NULL;
    if (steps == 0) constant_H = interest->cold_interest;
    else if (interest->evolution == LAST_STATE)
        constant_H = states.values_TH + (steps - 1) * states.value_stride;
    for (int64_t i = 0; i < (int64_t)interest->hidden * width; i++)
        h_HL[i] = constant_H ? constant_H[i / width] : 0.0f;
    if (steps == 0) return;

#define STEPS_OF(evolution)                                                                        \
    case evolution:                                                                                \
        steps_of_tile(interest, evolution, states, steps, vectors, attention_TL, gates_GL,         \
                      reset_HL, h_HL);                                                             \
        break;
    switch (interest->evolution) {
        STEPS_OF(AGRU)
        STEPS_OF(AIGRU)
        STEPS_OF(AUGRU_PAPER)
        STEPS_OF(AUGRU_OFFICIAL)
    case POOL: pool_over_steps(interest, states, steps, vectors, attention_TL, h_HL); break;
    default: break;
    }
#undef STEPS_OF
}

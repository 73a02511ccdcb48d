/* Compiled below an answer in C: how the steps of the tests take their arguments and say what they found. A value says
   itself what it is; value.hpp reads that. */

int halo_next(void);
void halo_take(void *, unsigned long);
void halo_put(const void *, unsigned long);
void halo_begin(void);
void halo_reply(void);
void halo_main(void);
unsigned long halo_mark(void);
void halo_insert(unsigned long);
void *malloc(__SIZE_TYPE__);
void halo_gone(void);

static inline void halo_letter(char c) { halo_put(&c, 1); }
static inline void halo_i(long long value) { halo_letter('i'); halo_put(&value, sizeof value); }
static inline void halo_u(unsigned long long value) { halo_letter('u'); halo_put(&value, sizeof value); }
static inline void halo_f(long double value) { halo_letter('f'); halo_put(&value, sizeof value); }
static inline void halo_p(const volatile void *value) {
    unsigned long long address = (unsigned long long)(__UINTPTR_TYPE__)value;
    halo_letter(value ? 'p' : 'n');
    halo_put(&address, sizeof address);
}
static inline void halo_bytes(const volatile void *bytes, unsigned long long size) {
    halo_letter('s');
    halo_put(&size, sizeof size);
    halo_put((const void *)bytes, size);
}
static inline void halo_s(const char *text) {
    if (!text) halo_p(0);
    else halo_bytes(text, __builtin_strlen(text));
}
static inline const char *halo_text(void) {
    _Bool there;
    unsigned long long size;
    char *text;
    halo_take(&there, 1);
    if (!there) return 0;
    halo_take(&size, sizeof size);
    text = (char *)malloc(size + 1);
    halo_take(text, size);
    text[size] = 0;
    return text;
}
static inline void halo_done(void) {
    halo_begin();
    halo_insert(1);
    halo_reply();
}
#define halo_both(a, b) \
    do { \
        unsigned long halo_at; \
        halo_letter('P'); \
        halo_at = halo_mark(); \
        halo_value(a); \
        halo_insert(halo_at); \
        halo_at = halo_mark(); \
        halo_value(b); \
        halo_insert(halo_at); \
    } while (0)
#define halo_value(...) \
    _Generic((__VA_ARGS__), _Bool: halo_u, char: halo_i, signed char: halo_i, short: halo_i, int: halo_i, long: halo_i, \
        long long: halo_i, unsigned char: halo_u, unsigned short: halo_u, unsigned: halo_u, unsigned long: halo_u, \
        unsigned long long: halo_u, float: halo_f, double: halo_f, long double: halo_f, char *: halo_s, \
        const char *: halo_s, default: halo_p)(__VA_ARGS__)

/*
 * The limit for signing and encrypting one message: what libcrypto's EVP functions need for the primitives alone, without CMS, MIME, rules or
 * certificates. Per message: SHA-256 over the content, a signature (RSA PKCS #1 v1.5 or ECDSA, as the key is), a fresh AES-256 key and IV, the key encrypted
 * to the recipient (PKCS #1 v1.5), then content and signature entity in AES-256-CBC and base64 by blocks that stay in the cache.
 *
 * usage: smime-evp SIGNER-KEY.pem RECIPIENT-PUBLIC-KEY.pem HASHED-OCTETS ENCRYPTED-OCTETS MESSAGES
 * Prints the processor time per message in microseconds. Exit status 1: something failed.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A multiple of 16 (cipher blocks) and of 3 (base64 without padding between blocks). */
#define BLOCK (48 * 192)

static void check(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s failed\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static EVP_PKEY *read_key(const char *path, int is_private)
{
    FILE *file = fopen(path, "r");
    check(file != NULL, path);
    EVP_PKEY *key = is_private ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : PEM_read_PUBKEY(file, NULL, NULL, NULL);
    check(key != NULL, path);
    fclose(file);
    return key;
}

static double processor_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The armoured octets are written over one another: where they go costs nothing here, as with a null stream. */
static size_t seal(EVP_PKEY *signer, EVP_PKEY *recipient, const unsigned char *content, size_t hashed, size_t encrypted)
{
    static unsigned char sealed[BLOCK + 64], armoured[BLOCK * 2];
    unsigned char digest[32], signature[1024], wrapped[1024], secret[32], iv[16];
    unsigned int digest_length;
    size_t signature_length = sizeof signature, wrapped_length = sizeof wrapped, written = 0;
    int length;

    check(EVP_Digest(content, hashed, digest, &digest_length, EVP_sha256(), NULL), "SHA-256");

    EVP_PKEY_CTX *signing = EVP_PKEY_CTX_new(signer, NULL);
    check(signing != NULL && EVP_PKEY_sign_init(signing) > 0
              && (!EVP_PKEY_is_a(signer, "RSA") || EVP_PKEY_CTX_set_rsa_padding(signing, RSA_PKCS1_PADDING) > 0)
              && EVP_PKEY_CTX_set_signature_md(signing, EVP_sha256()) > 0
              && EVP_PKEY_sign(signing, signature, &signature_length, digest, digest_length) > 0,
          "the signature");
    EVP_PKEY_CTX_free(signing);

    check(RAND_bytes(secret, sizeof secret) > 0 && RAND_bytes(iv, sizeof iv) > 0, "random octets");
    EVP_PKEY_CTX *wrapping = EVP_PKEY_CTX_new(recipient, NULL);
    check(wrapping != NULL && EVP_PKEY_encrypt_init(wrapping) > 0 && EVP_PKEY_CTX_set_rsa_padding(wrapping, RSA_PKCS1_PADDING) > 0
              && EVP_PKEY_encrypt(wrapping, wrapped, &wrapped_length, secret, sizeof secret) > 0,
          "the key's encryption");
    EVP_PKEY_CTX_free(wrapping);

    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    check(cipher != NULL && EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, secret, iv), "AES-256-CBC");
    for (size_t at = 0; at < encrypted; at += BLOCK) {
        int part = (int)(encrypted - at < BLOCK ? encrypted - at : BLOCK);
        check(EVP_EncryptUpdate(cipher, sealed, &length, content + at, part), "AES-256-CBC");
        written += (size_t)EVP_EncodeBlock(armoured, sealed, length);
    }
    check(EVP_EncryptFinal_ex(cipher, sealed, &length), "AES-256-CBC");
    written += (size_t)EVP_EncodeBlock(armoured, sealed, length);
    EVP_CIPHER_CTX_free(cipher);
    return written + signature_length + wrapped_length;
}

int main(int count, char **arguments)
{
    if (count != 6) {
        fprintf(stderr, "usage: %s SIGNER-KEY.pem RECIPIENT-PUBLIC-KEY.pem HASHED-OCTETS ENCRYPTED-OCTETS MESSAGES\n", arguments[0]);
        return 1;
    }
    EVP_PKEY *signer = read_key(arguments[1], 1), *recipient = read_key(arguments[2], 0);
    size_t hashed = strtoull(arguments[3], NULL, 10), encrypted = strtoull(arguments[4], NULL, 10);
    long messages = strtol(arguments[5], NULL, 10);
    check(messages > 0 && hashed > 0 && encrypted >= hashed, "reading the numbers");
    unsigned char *content = malloc(encrypted);
    check(content != NULL, "malloc");
    memset(content, 'x', encrypted);

    size_t octets = seal(signer, recipient, content, hashed, encrypted); /* Tables and providers are loaded by the first. */
    double begin = processor_seconds();
    for (long i = 0; i < messages; i++)
        octets += seal(signer, recipient, content, hashed, encrypted);
    double spent = processor_seconds() - begin;
    check(octets > 0, "sealing");
    printf("%.3f\n", spent * 1e6 / (double)messages);
    return 0;
}

// certutil: imitates of Windows' (learn.microsoft.com/windows-server/administration/windows-commands/certutil)
// -hashfile, -store, -addstore, -delstore on the machine's stores, -encodehex, -decodehex, -encode and -decode, in
// English, over Wine's crypt32. A serial number, a SHA-1 hash, or a part of a subject names a certificate.

#include "lab.h"
#include <wincrypt.h>

static int finished(const wchar_t *verb, DWORD code, const wchar_t *text)
{
    if (!code)
        out(L"CertUtil: -%ls command completed successfully.\n", verb);
    else
        out(L"CertUtil: -%ls command FAILED: 0x%lx (%ld)\nCertUtil: %ls\n", verb, code, (long)code, text);
    return code;
}

static void hex_of(const BYTE *bytes, DWORD size, int backwards, wchar_t *text)
{
    DWORD i;
    text[0] = 0;
    for (i = 0; i < size; i++)
        swprintf(text + i * 2, 3, L"%02x", bytes[backwards ? size - 1 - i : i]);
}

static BYTE *read_all(const wchar_t *path, DWORD *size)
{
    HANDLE from = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    if (from == INVALID_HANDLE_VALUE)
        return NULL;
    *size = GetFileSize(from, NULL);
    BYTE *bytes = calloc(1, *size + 1);
    ReadFile(from, bytes, *size, size, NULL);
    CloseHandle(from);
    return bytes;
}

static int hash_file(const wchar_t *path, const wchar_t *algorithm)
{
    HCRYPTPROV provider;
    HCRYPTHASH hash;
    BYTE digest[64];
    wchar_t text[140];
    DWORD size, length = sizeof digest;
    ALG_ID id = !_wcsicmp(algorithm, L"SHA256") ? CALG_SHA_256 : !_wcsicmp(algorithm, L"SHA512") ? CALG_SHA_512
                : !_wcsicmp(algorithm, L"MD5") ? CALG_MD5 : CALG_SHA1;
    BYTE *bytes = read_all(path, &size);
    if (!bytes)
        return finished(L"hashfile", 0x80070002, L"The system cannot find the file specified.");
    CryptAcquireContextW(&provider, NULL, NULL, PROV_RSA_AES, CRYPT_VERIFYCONTEXT);
    CryptCreateHash(provider, id, 0, 0, &hash);
    CryptHashData(hash, bytes, size, 0);
    CryptGetHashParam(hash, HP_HASHVAL, digest, &length, 0);
    hex_of(digest, length, 0, text);
    out(L"%ls hash of %ls:\n%ls\n", _wcsupr(_wcsdup(algorithm)), path, text);
    return finished(L"hashfile", 0, NULL);
}

static int named(PCCERT_CONTEXT certificate, const wchar_t *id)
{
    BYTE hash[20];
    DWORD size = sizeof hash;
    wchar_t serial[130], print[41], subject[512];
    if (!id)
        return 1;
    hex_of(certificate->pCertInfo->SerialNumber.pbData, certificate->pCertInfo->SerialNumber.cbData, 1, serial);
    CertGetCertificateContextProperty(certificate, CERT_SHA1_HASH_PROP_ID, hash, &size);
    hex_of(hash, 20, 0, print);
    CertGetNameStringW(certificate, CERT_NAME_SIMPLE_DISPLAY_TYPE, 0, NULL, subject, 512);
    return !_wcsicmp(serial, id) || !_wcsicmp(print, id) || wcsstr(subject, id);
}

// Wine's crypt32 leaves the key of a certificate that it deletes.
static void forget(const wchar_t *name, const wchar_t *print)
{
    wchar_t key[200];
    _snwprintf(key, 200, L"SOFTWARE\\Microsoft\\SystemCertificates\\%ls\\Certificates\\%ls", name, print);
    RegDeleteTreeW(HKEY_LOCAL_MACHINE, key);
}

static int store(const wchar_t *verb, const wchar_t *name, const wchar_t *id, int remove)
{
    HCERTSTORE store = CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, CERT_SYSTEM_STORE_LOCAL_MACHINE, name);
    PCCERT_CONTEXT at = NULL;
    int number = 0, found = 0;
    if (!store)
        return finished(verb, 0x80070002, L"The system cannot find the file specified.");
    out(L"%ls \"%ls\"\n", name, !_wcsicmp(name, L"root") ? L"Trusted Root Certification Authorities" : name);
    while ((at = CertEnumCertificatesInStore(store, at))) {
        static wchar_t serial[130], print[41], subject[2048], issuer[2048];
        BYTE hash[20];
        DWORD size = sizeof hash;
        number++;
        if (!named(at, id))
            continue;
        found++;
        if (remove) {
            // An enumeration does not go on behind a certificate that is deleted: it begins anew.
            CertGetCertificateContextProperty(at, CERT_SHA1_HASH_PROP_ID, hash, &size);
            hex_of(hash, 20, 0, print);
            if (!CertDeleteCertificateFromStore(at))
                return finished(verb, GetLastError(), L"The certificate cannot be deleted.");
            forget(name, print);
            out(L"Deleting Certificate %d\n", number - 1);
            at = NULL;
            number = 0;
            continue;
        }
        hex_of(at->pCertInfo->SerialNumber.pbData, at->pCertInfo->SerialNumber.cbData, 1, serial);
        CertGetCertificateContextProperty(at, CERT_SHA1_HASH_PROP_ID, hash, &size);
        hex_of(hash, 20, 0, print);
        CertNameToStrW(X509_ASN_ENCODING, &at->pCertInfo->Subject, CERT_X500_NAME_STR | CERT_NAME_STR_REVERSE_FLAG, subject, 2048);
        CertNameToStrW(X509_ASN_ENCODING, &at->pCertInfo->Issuer, CERT_X500_NAME_STR | CERT_NAME_STR_REVERSE_FLAG, issuer, 2048);
        out(L"================ Certificate %d ================\nSerial Number: %ls\nIssuer: %ls\nSubject: %ls\n"
            L"Cert Hash(sha1): %ls\nNo key provider information\nCannot find the certificate and private key for decryption.\n\n",
            number - 1, serial, issuer, subject, print);
    }
    CertCloseStore(store, 0);
    if (id && !found && !remove)
        return finished(verb, 0x80090011, L"Object was not found.");
    return finished(verb, 0, NULL);
}

static int add(const wchar_t *name, const wchar_t *file)
{
    DWORD size, decoded;
    BYTE *bytes = read_all(file, &size), *der;
    if (!bytes)
        return finished(L"addstore", 0x80070002, L"The system cannot find the file specified.");
    der = malloc(size + 1);
    decoded = size;
    if (!CryptStringToBinaryA((char *)bytes, size, CRYPT_STRING_BASE64HEADER, der, &decoded, NULL, NULL)) {
        memcpy(der, bytes, size);
        decoded = size;
    }
    HCERTSTORE store = CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, CERT_SYSTEM_STORE_LOCAL_MACHINE, name);
    if (!CertAddEncodedCertificateToStore(store, X509_ASN_ENCODING, der, decoded, CERT_STORE_ADD_REPLACE_EXISTING, NULL))
        return finished(L"addstore", GetLastError(), L"The data is invalid.");
    CertCloseStore(store, 0);
    out(L"%ls \"Trusted Root Certification Authorities\"\nCertificate added to store.\n", name);
    return finished(L"addstore", 0, NULL);
}

static int recode(const wchar_t *verb, const wchar_t *from, const wchar_t *to)
{
    DWORD size, length = 0, written, flags = wcsstr(verb, L"hex") ? CRYPT_STRING_HEXASCIIADDR : CRYPT_STRING_BASE64HEADER;
    BYTE *bytes = read_all(from, &size);
    char *made;
    if (!bytes)
        return finished(verb, 0x80070002, L"The system cannot find the file specified.");
    if (!_wcsicmp(verb, L"encode") || !_wcsicmp(verb, L"encodehex")) {
        flags = !_wcsicmp(verb, L"encode") ? CRYPT_STRING_BASE64HEADER : CRYPT_STRING_HEXASCIIADDR;
        CryptBinaryToStringA(bytes, size, flags, NULL, &length);
        made = malloc(length);
        CryptBinaryToStringA(bytes, size, flags, made, &length);
    } else {
        if (!CryptStringToBinaryA((char *)bytes, size, flags == CRYPT_STRING_BASE64HEADER ? CRYPT_STRING_BASE64_ANY : CRYPT_STRING_HEX_ANY,
                                  NULL, &length, NULL, NULL))
            return finished(verb, 0x8007000d, L"The data is invalid.");
        made = malloc(length);
        CryptStringToBinaryA((char *)bytes, size, flags == CRYPT_STRING_BASE64HEADER ? CRYPT_STRING_BASE64_ANY : CRYPT_STRING_HEX_ANY,
                             (BYTE *)made, &length, NULL, NULL);
    }
    HANDLE file = CreateFileW(to, GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return finished(verb, 0x80070050, L"The file exists.");
    WriteFile(file, made, length, &written, NULL);
    CloseHandle(file);
    out(L"Input Length = %lu\nOutput Length = %lu\n", size, written);
    return finished(verb, 0, NULL);
}

int wmain(int count, wchar_t **words)
{
    const wchar_t *plain[6] = {0};
    int i, found = 0;
    for (i = 1; i < count; i++)
        if (_wcsicmp(words[i], L"-f") && _wcsicmp(words[i], L"-v") && found < 6)
            plain[found++] = words[i];
    const wchar_t *verb = found ? plain[0] + 1 : L"";
    if (!_wcsicmp(verb, L"hashfile") && found > 1)
        return hash_file(plain[1], found > 2 ? plain[2] : L"SHA1");
    if (!_wcsicmp(verb, L"store"))
        return store(verb, found > 1 ? plain[1] : L"CA", plain[2], 0);
    if (!_wcsicmp(verb, L"delstore") && found > 2)
        return store(verb, plain[1], plain[2], 1);
    if (!_wcsicmp(verb, L"addstore") && found > 2)
        return add(plain[1], plain[2]);
    if ((!_wcsicmp(verb, L"encode") || !_wcsicmp(verb, L"decode") || !_wcsicmp(verb, L"encodehex") || !_wcsicmp(verb, L"decodehex")) &&
        found > 2)
        return recode(verb, plain[1], plain[2]);
    out(L"CertUtil: Unknown arg: %ls\n", found ? plain[0] : L"");
    return 0x80070057;
}

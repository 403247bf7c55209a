"""Which variables of the environment say whom the client asks, and which way."""

ACCOUNT_VARIABLES = (
    *("DASHSCOPE_API_KEY", "DASHSCOPE_API_KEY_FILE_PATH"),
    *("DASHSCOPE_BASE_URL", "DASHSCOPE_HTTP_BASE_URL"),
    *("DASHSCOPE_WORKSPACE", "DASHSCOPE_WORKSPACE_ID"),
    "S2V_DETECT_ALLOW_HTTP",
)
NETWORK_VARIABLES = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)

//! For tests only: scratch registries on port 0, random images and a raw HTTP client.

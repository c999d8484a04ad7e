"""Downloads over HTTP into a shared cache; knows neither elevation data nor products."""

"""TVAE (Xu et al. 2019, arXiv 1907.00503, section 4.5): a variational autoencoder of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lookalike.model.base import EngineSettings
from lookalike.model.engine import AllAtOnce, Fitted, NetEngine, to_arrays, to_tensors
from lookalike.model.nets.bound import posterior, reconstruction
from lookalike.model.nets.flat import Weights
from lookalike.model.nets.latents import ROWS_MOST, Latents
from lookalike.model.nets.layers import linear
from lookalike.model.training import device
from lookalike.model.training.task import FrugalSettings, NetSettings, Sizes, Task, plan, scaled
from lookalike.rng import derive_seed, generator
from lookalike.schema.encoded import EncodedColumn, EncodedTable


class TVAESettings(FrugalSettings):
    """Settings of the engine tvae; names and defaults as TVAE users know them."""

    embedding_dim: int = Field(128, ge=1, description="width of the latent a row is made from")
    compress_dims: Sizes = Field((128, 128), description="widths of the encoder's hidden layers")
    decompress_dims: Sizes = Field((128, 128), description="widths of the decoder's hidden layers")
    learning_rate: float = Field(1e-3, gt=0, description="learning rate")
    l2scale: float = Field(1e-5, ge=0, description="weight decay")
    loss_factor: float = Field(2.0, gt=0, description="weight of reconstruction against the latent's divergence")
    latent_components: int = Field(
        100, ge=0, description="Gaussians that describe where the rows' latents lie; 0 draws latents from the prior"
    )


class Layers(nn.Module):
    """Fully connected layers with ReLU between them, none after the last.

    Shape
    -----
    (n, inputs) -> (n, outputs)

    >>> Layers(4, (8, 8), 3, torch.Generator().manual_seed(0))(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], outputs: int, generator: torch.Generator, *, frugal: bool = False
    ) -> None:
        super().__init__()
        self.frugal = frugal
        sizes = [inputs, *hidden, outputs]
        self.layers = nn.ModuleList(linear(a, b, generator) for a, b in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        if self.frugal and torch.is_grad_enabled():
            result: Tensor = checkpoint(self._through, x, use_reentrant=False, preserve_rng_state=False)
            return result
        return self._through(x)

    def _through(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = layer(x).relu_()
        last: Tensor = self.layers[-1](x)
        return last


class Autoencoder(nn.Module):
    """TVAE's two nets and the spread of each residual.

    Shape
    -----
    encoder: (n, W) -> means and log-deviations of the latent, (n, 2 embedding). decoder: (n, embedding) -> raw (n, W)

    >>> net = Autoencoder(6, 2, 3, (8,), (8,), torch.Generator().manual_seed(0))
    >>> net.encoder(torch.zeros(5, 6)).shape, net.decoder(torch.zeros(5, 3)).shape
    (torch.Size([5, 6]), torch.Size([5, 6]))
    """

    def __init__(
        self,
        width: int,
        residuals: int,
        embedding: int,
        compress: Sequence[int],
        decompress: Sequence[int],
        generator: torch.Generator,
        *,
        frugal: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = Layers(width, compress, 2 * embedding, generator, frugal=frugal)
        self.decoder = Layers(embedding, decompress, width, generator, frugal=frugal)
        self.log_sigma = nn.Parameter(torch.full((residuals,), -2.0))


class Decoder(AllAtOnce):
    """What sampling needs: the decoder, and where in its latent space to draw from."""

    def __init__(
        self, columns: tuple[EncodedColumn, ...], settings: TVAESettings, where: torch.device, seed: int
    ) -> None:
        super().__init__(columns, where)
        self.latents = Latents.prior(settings.embedding_dim)
        self.net: Autoencoder = Autoencoder(
            self.layout.width,
            self.layout.residuals,
            settings.embedding_dim,
            settings.compress_dims,
            settings.decompress_dims,
            torch.Generator().manual_seed(derive_seed(seed, "autoencoder")),
            frugal=settings.gradient_checkpointing,
        ).to(where)

    def raw(self, rows: int, draws: torch.Generator, conditions: Mapping[int, int]) -> tuple[Tensor, Tensor]:
        """Return logits and residuals.

        NOTE[DIFF]: what is drawn from the logits is a code, as the model says; the argmax alone, as often used, makes
        frequent codes more frequent.
        """
        raw = self.net.decoder(self.latents.draw(rows, draws).to(self.device))
        spread = torch.randn(rows, self.layout.residuals, generator=draws).to(self.device) * self.net.log_sigma.exp()
        return raw[:, : self.layout.slots], (raw[:, self.layout.slots :].tanh() + spread).clamp(-1, 1)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        weights = {name: value for name, value in self.net.state_dict().items() if not name.startswith("encoder.")}
        latents = {f"latents.{name}": array for name, array in self.latents.arrays.items()}
        return {}, to_arrays(weights) | latents

    def restore(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        latents = {name[8:]: array for name, array in arrays.items() if name.startswith("latents.")}
        self.latents = Latents(self.latents.dimensions, **latents)
        weights = {name: array for name, array in arrays.items() if not name.startswith("latents.")}
        self.net.load_state_dict(to_tensors(weights), strict=False)


class TVAE(NetEngine):
    """The engine tvae. Conditions are not its own: it ignores them, and ``sample.py`` meets them by rejection."""

    Settings: ClassVar[type[EngineSettings]] = TVAESettings
    name = "tvae"

    @classmethod
    def task(cls, table: EncodedTable, held_out: EncodedTable, settings: NetSettings, seed: int) -> tuple[Task, Fitted]:
        assert isinstance(settings, TVAESettings)
        training = _Training(table, held_out, settings, seed)
        return training, training.fitted

    @classmethod
    def blank(
        cls, columns: tuple[EncodedColumn, ...], settings: NetSettings, state: dict[str, Any], where: torch.device
    ) -> Fitted:
        assert isinstance(settings, TVAESettings)
        return Decoder(columns, settings, where, seed=0)


class _Training(Task):
    """One step: encode a batch, draw a latent, decode, go down the evidence bound."""

    def __init__(self, table: EncodedTable, held_out: EncodedTable, settings: TVAESettings, seed: int) -> None:
        self.settings = settings
        where = device.choose(settings.device)
        self.precision = device.Precision(where, settings.precision)
        self.fitted = Decoder(table.columns, settings, where, seed)
        self.layout, self.net = self.fitted.layout, self.fitted.net
        self.slots, self.residuals = self.layout.slots_of(table), self.layout.residuals_of(table)
        self.held_out_rows = self.layout.slots_of(held_out), self.layout.residuals_of(held_out)
        self.batch, self.steps = plan(len(table), settings)
        self.weights = Weights(self.net, self.precision.dtype)
        rate = scaled(settings.learning_rate, self.batch, settings)
        optimizer = torch.optim.Adam([self.weights.master], lr=rate, weight_decay=settings.l2scale, fused=True)
        self.averaged = self.weights.master
        self.networks, self.optimizers = {"autoencoder": self.net}, {"autoencoder": optimizer}
        self.draws = torch.Generator().manual_seed(derive_seed(seed, "draws"))
        self.noise = torch.Generator(where).manual_seed(derive_seed(seed, "noise"))
        self.generators = {"draws": self.draws, "noise": self.noise}
        self.held_out_seed = derive_seed(seed, "held out")

    def begin_epoch(self) -> None:
        self.weights.spread()
        self.parts = self.shuffled(len(self.slots))

    def step(self, position: int) -> dict[str, Tensor]:
        rows = self.parts[position].to(self.layout.device)
        loss = self._bound(self.weights.net, self.slots[rows], self.residuals[rows], self.noise)
        self.precision.descend(self.weights, self.optimizers["autoencoder"], (loss, None))
        return {"loss": loss.detach()}

    def _bound(self, net: Autoencoder, slots: Tensor, residuals: Tensor, noise: torch.Generator) -> Tensor:
        """Return the mean over rows of loss_factor · reconstruction + divergence (paper, section 4.5)."""
        dtype = net.log_sigma.dtype
        found = net.encoder(self.layout.rows(slots, residuals).to(dtype)).float()
        shape = len(slots), self.settings.embedding_dim
        latent, divergence = posterior(found, torch.randn(shape, generator=noise, device=found.device))
        raw = net.decoder(latent.to(dtype)).float()
        lost = reconstruction(raw, slots, residuals, net.log_sigma.float(), self.layout).mean()
        return self.settings.loss_factor * lost + divergence

    @torch.no_grad()
    def held_out(self) -> float:
        noise = torch.Generator(self.layout.device).manual_seed(self.held_out_seed)
        parts = [part.split(self.batch) for part in self.held_out_rows]
        bounds = [
            self._bound(self.net, slots, residuals, noise) * len(slots) for slots, residuals in zip(*parts, strict=True)
        ]
        return float(torch.stack(bounds).sum()) / len(self.held_out_rows[0])

    @torch.no_grad()
    def settle(self, hurry: Callable[[], bool]) -> dict[str, float]:
        """Describe where the training rows' latents lie."""
        if not self.settings.latent_components:
            return {}
        rng = generator(self.held_out_seed, "latents")
        rows = torch.from_numpy(np.sort(rng.permutation(len(self.slots))[:ROWS_MOST])).to(self.layout.device)
        found = self.net.encoder(self.layout.rows(self.slots[rows], self.residuals[rows]))
        mean, log_deviation = found.chunk(2, dim=1)
        self.fitted.latents = Latents.fit(mean, log_deviation, self.settings.latent_components, rng, hurry)
        return {}
